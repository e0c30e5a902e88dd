/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/options.h"

#include "loader/identity.h"

#include <signal.h>
#include <string.h>

static const struct tg_choice yes_no[] = {{"no", 0, false}, {"yes", 1, false}, {NULL, 0, false}};

static const struct tg_choice log_levels[] = {
    {"error", TG_LOG_ERROR, false},
    {"warn", TG_LOG_WARN, false},
    {"info", TG_LOG_INFO, false},
    {"debug", TG_LOG_DEBUG, false},
    {NULL, 0, false},
};

static const struct tg_choice signals[] = {
    {"HUP", SIGHUP, false}, {"USR1", SIGUSR1, false}, {"USR2", SIGUSR2, false}, {"none", 0, false}, {NULL, 0, false},
};

static const struct tg_choice children[] = {{"keep", 1, false}, {"drop", 0, false}, {NULL, 0, false}};

static const struct tg_choice modes[] = {
    {"off", TG_MODE_OFF, false},           {"server", TG_MODE_SERVER, false}, {"observe", TG_MODE_OBSERVE, true},
    {"optional", TG_MODE_OPTIONAL, false}, {"mutual", TG_MODE_MUTUAL, false}, {"0", TG_MODE_OFF, false},
    {"1", TG_MODE_SERVER, false},          {"2", TG_MODE_MUTUAL, false},      {NULL, 0, false},
};

static const struct tg_choice crl_checks[] = {
    {"leaf", TG_CRL_LEAF, false}, {"chain", TG_CRL_CHAIN, false}, {NULL, 0, false}};

/* Numbers as on the wire. */
static const struct tg_choice protocols[] = {
    {"TLSv1", 0x0301, false},   {"TLSv1.1", 0x0302, false}, {"TLSv1.2", 0x0303, false},
    {"TLSv1.3", 0x0304, false}, {NULL, 0, false},
};

static const struct tg_choice rechecks[] = {{"no", 0, false}, {"new-generation", 1, false}, {NULL, 0, false}};
static const struct tg_choice speaks[] = {{"tls", 0, false}, {"plaintext", 1, false}, {NULL, 0, false}};
static const struct tg_choice engines[] = {{"auto", TG_ENGINE_AUTO, false},
					   {"direct", TG_ENGINE_DIRECT, false},
					   {"relay", TG_ENGINE_RELAY, false},
					   {NULL, 0, false}};
static const struct tg_choice proxies[] = {
    {"off", TG_PROXY_OFF, false}, {"v2", TG_PROXY_V2, false}, {"v2-ssl-cn", TG_PROXY_V2_SSL_CN, false}, {NULL, 0, false}};

/* In the order of enum tg_option_id; a unit test compares the two. */
static const struct tg_option options[] = {
    {.id = TG_OPT_LOG,
     .key = "log",
     .sections = TG_SECTION_TLSGRAFT,
     .type = TG_TYPE_LOG,
     .default_value = "stderr",
     .example = "stderr",
     .help = "where the keeper logs: stderr, syslog or an absolute file"},
    {.id = TG_OPT_LOG_LEVEL,
     .key = "log_level",
     .sections = TG_SECTION_TLSGRAFT,
     .type = TG_TYPE_CHOICE,
     .default_value = "info",
     .choices = log_levels,
     .example = "info",
     .help = "the least severe messages that are logged"},
    {.id = TG_OPT_RELOAD_SIGNAL,
     .key = "reload_signal",
     .sections = TG_SECTION_TLSGRAFT,
     .type = TG_TYPE_CHOICE,
     .default_value = "HUP",
     .choices = signals,
     .example = "HUP",
     .help = "the signal that, sent to any process of the tree, asks for a reload"},
    {.id = TG_OPT_WATCH,
     .key = "watch",
     .sections = TG_SECTION_TLSGRAFT,
     .type = TG_TYPE_CHOICE,
     .default_value = "no",
     .choices = yes_no,
     .example = "no",
     .help = "yes: also reload as soon as a file changes, without any signal"},
    {.id = TG_OPT_EXE,
     .key = "exe",
     .sections = TG_SECTION_TLSGRAFT,
     .type = TG_TYPE_PROGRAM,
     .repeatable = true,
     .example = "/usr/sbin/nginx",
     .help = "act only in these programs; absent: in any"},
    {.id = TG_OPT_USER,
     .key = "user",
     .sections = TG_SECTION_TLSGRAFT,
     .type = TG_TYPE_USER,
     .repeatable = true,
     .example = "www-data",
     .help = "users, beside root and the keeper's own, whose exec'ed programs may hold the keys"},
    {.id = TG_OPT_CHILDREN,
     .key = "children",
     .sections = TG_SECTION_TLSGRAFT,
     .type = TG_TYPE_CHOICE,
     .default_value = "keep",
     .choices = children,
     .example = "keep",
     .help = "keep: put the shim back when the program cleans its environment before exec; drop: let it go"},
    {.id = TG_OPT_WARN_DAYS,
     .key = "warn_days",
     .sections = TG_SECTION_TLSGRAFT,
     .type = TG_TYPE_NUMBER,
     .default_value = "14",
     .minimum = 0,
     .maximum = 3650,
     .example = "14",
     .help = "warn when a certificate expires within so many days"},
    {.id = TG_OPT_MODE,
     .key = "mode",
     .sections = TG_SECTIONS_POLICY,
     .type = TG_TYPE_CHOICE,
     .choices = modes,
     .example = "mutual",
     .help = "what is served and what is asked of clients; 0, 1 and 2 stand for off, server and mutual"},
    {.id = TG_OPT_CERT,
     .key = "cert",
     .sections = TG_SECTIONS_POLICY,
     .type = TG_TYPE_FILE,
     .repeatable = true,
     .example = "server.pem",
     .help = "certificate to serve, leaf first, then its chain; repeatable for another key type"},
    {.id = TG_OPT_KEY,
     .key = "key",
     .sections = TG_SECTIONS_POLICY,
     .type = TG_TYPE_FILE,
     .repeatable = true,
     .example = "server.key",
     .help = "private key of the nearest cert above; may be left out where that file holds it"},
    {.id = TG_OPT_KEY_PASSPHRASE_FILE,
     .key = "key_passphrase_file",
     .sections = TG_SECTIONS_POLICY,
     .type = TG_TYPE_FILE,
     .repeatable = true,
     .example = "pass.txt",
     .help = "file whose first line decrypts the key of the nearest cert above, and PKCS#12 files of ca in this section"},
    {.id = TG_OPT_CA,
     .key = "ca",
     .sections = TG_SECTIONS_POLICY,
     .type = TG_TYPE_FILE,
     .repeatable = true,
     .example = "ca.pem",
     .help = "bundle of the CAs that may sign clients; repeatable: an old and a new one side by side"},
    {.id = TG_OPT_CRL,
     .key = "crl",
     .sections = TG_SECTIONS_POLICY,
     .type = TG_TYPE_FILE,
     .repeatable = true,
     .example = "ca.crl",
     .help = "revocation lists, one for each CA"},
    {.id = TG_OPT_CRL_CHECK,
     .key = "crl_check",
     .sections = TG_SECTIONS_POLICY,
     .type = TG_TYPE_CHOICE,
     .default_value = "leaf",
     .choices = crl_checks,
     .example = "leaf",
     .help = "what is looked up in the revocation lists: the client's certificate, or its whole chain"},
    {.id = TG_OPT_VERIFY_DEPTH,
     .key = "verify_depth",
     .sections = TG_SECTIONS_POLICY,
     .type = TG_TYPE_NUMBER,
     .default_value = "8",
     .minimum = 0,
     .maximum = 100,
     .example = "8",
     .help = "how many certificates may lie between a client's and its CA"},
    {.id = TG_OPT_ALLOW,
     .key = "allow",
     .sections = TG_SECTIONS_POLICY,
     .type = TG_TYPE_RULE,
     .repeatable = true,
     .example = "URI:spiffe://corp/ns/web/*",
     .help = "who of those that ca signed is let in: CN:, DNS:, URI:, EMAIL:, IP: or SHA256:; absent: all"},
    {.id = TG_OPT_MIN_PROTOCOL,
     .key = "min_protocol",
     .sections = TG_SECTIONS_POLICY,
     .type = TG_TYPE_CHOICE,
     .choices = protocols,
     .example = "TLSv1.2",
     .help = "oldest TLS version; the stricter of this and the server's own applies"},
    {.id = TG_OPT_MAX_PROTOCOL,
     .key = "max_protocol",
     .sections = TG_SECTIONS_POLICY,
     .type = TG_TYPE_CHOICE,
     .choices = protocols,
     .example = "TLSv1.3",
     .help = "newest TLS version"},
    {.id = TG_OPT_CIPHERS,
     .key = "ciphers",
     .sections = TG_SECTIONS_POLICY,
     .type = TG_TYPE_TEXT,
     .example = "ECDHE+AESGCM:ECDHE+CHACHA20",
     .help = "cipher list up to TLS 1.2, as openssl-ciphers(1) has it"},
    {.id = TG_OPT_CIPHERSUITES,
     .key = "ciphersuites",
     .sections = TG_SECTIONS_POLICY,
     .type = TG_TYPE_TEXT,
     .example = "TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256",
     .help = "cipher suites of TLS 1.3"},
    {.id = TG_OPT_GROUPS,
     .key = "groups",
     .sections = TG_SECTIONS_POLICY,
     .type = TG_TYPE_TEXT,
     .example = "X25519:P-256",
     .help = "key exchange groups"},
    {.id = TG_OPT_SECURITY_LEVEL,
     .key = "security_level",
     .sections = TG_SECTIONS_POLICY,
     .type = TG_TYPE_NUMBER,
     .minimum = 0,
     .maximum = 5,
     .example = "2",
     .help = "OpenSSL's security level: how strong keys and signatures must be"},
    {.id = TG_OPT_OVERRIDE,
     .key = "override",
     .sections = TG_SECTIONS_POLICY,
     .type = TG_TYPE_CHOICE,
     .default_value = "no",
     .choices = yes_no,
     .example = "no",
     .help = "yes: the mode and the protocol limits may also weaken what the server itself demands"},
    {.id = TG_OPT_MAX_SESSION_AGE,
     .key = "max_session_age",
     .sections = TG_SECTIONS_POLICY,
     .type = TG_TYPE_NUMBER,
     .minimum = 1,
     .maximum = 604800, /* seven days: a TLS 1.3 ticket lives no longer (RFC 8446 section 4.6.1) */
     .example = "3600",
     .help =
	 "seconds after a full handshake in which its sessions and tickets resume, renewed ones too; absent: the server's "
	 "own rule"},
    {.id = TG_OPT_RECHECK,
     .key = "recheck",
     .sections = TG_SECTIONS_POLICY,
     .type = TG_TYPE_CHOICE,
     .default_value = "no",
     .choices = rechecks,
     .example = "no",
     .help = "new-generation: a reload also ends the live connections of clients that it would refuse now"},
    {.id = TG_OPT_LISTEN,
     .key = "listen",
     .sections = TG_SECTION_LISTENER,
     .type = TG_TYPE_ADDRESS,
     .repeatable = true,
     .example = "0.0.0.0:8443",
     .help = "local address of the connections: ADDR:PORT, [v6]:PORT or *:PORT"},
    {.id = TG_OPT_SERVER_SPEAKS,
     .key = "server_speaks",
     .sections = TG_SECTION_LISTENER,
     .type = TG_TYPE_CHOICE,
     .default_value = "tls",
     .choices = speaks,
     .example = "tls",
     .help = "tls: the server calls libssl itself; plaintext: TLS is spoken for it"},
    {.id = TG_OPT_ACCEPT_PLAINTEXT,
     .key = "accept_plaintext",
     .sections = TG_SECTION_LISTENER,
     .type = TG_TYPE_CHOICE,
     .plaintext = true,
     .default_value = "no",
     .choices = yes_no,
     .example = "no",
     .help = "yes lets TLS and plaintext clients in on the same port, for a migration"},
    {.id = TG_OPT_PLAINTEXT_WAIT,
     .key = "plaintext_wait",
     .sections = TG_SECTION_LISTENER,
     .type = TG_TYPE_NUMBER,
     .plaintext = true,
     .default_value = "0",
     .minimum = 0,
     .maximum = 10000,
     .example = "0",
     .help = "with accept_plaintext: milliseconds after which a client that has said nothing is a plaintext one; 0: never"},
    {.id = TG_OPT_ENGINE,
     .key = "engine",
     .sections = TG_SECTION_LISTENER,
     .type = TG_TYPE_CHOICE,
     .plaintext = true,
     .default_value = "auto",
     .choices = engines,
     .example = "auto",
     .help = "where TLS is spoken: direct, in the server's own calls; relay, in a process beside it; auto, direct unless "
	     "only the relay can. Where a server that blocks speaks first, the relay takes over in any case"},
    {.id = TG_OPT_HANDSHAKE_TIMEOUT,
     .key = "handshake_timeout",
     .sections = TG_SECTION_LISTENER,
     .type = TG_TYPE_NUMBER,
     .plaintext = true,
     .default_value = "10",
     .minimum = 1,
     .maximum = 3600,
     .example = "10",
     .help = "seconds that a handshake may take"},
    {.id = TG_OPT_PROXY_PROTOCOL,
     .key = "proxy_protocol",
     .sections = TG_SECTION_LISTENER,
     .type = TG_TYPE_CHOICE,
     .plaintext = true,
     .default_value = "off",
     .choices = proxies,
     .example = "off",
     .help = "v2 sends a header with the client's address and verified identity, its certificate included; v2-ssl-cn "
	     "without the certificate, for servers that take short headers only"},
    {.id = TG_OPT_ALPN,
     .key = "alpn",
     .sections = TG_SECTION_LISTENER | TG_SECTION_SNI,
     .type = TG_TYPE_PROTOCOLS,
     .repeatable = true,
     .plaintext = true,
     .example = "h2, http/1.1",
     .help =
	 "protocols that the server speaks, best first, separated by commas: the first one that the client offers, too, "
	 "is agreed on (ALPN); absent: none"},
    {.id = TG_OPT_ALPN_REQUIRED,
     .key = "alpn_required",
     .sections = TG_SECTION_LISTENER | TG_SECTION_SNI,
     .type = TG_TYPE_CHOICE,
     .plaintext = true,
     .default_value = "no",
     .choices = yes_no,
     .example = "no",
     .help = "yes: a client that offers none of them, or no ALPN at all, is refused by the alert no_application_protocol"},
    {.id = TG_OPT_NAMES,
     .key = "names",
     .sections = TG_SECTION_SNI,
     .type = TG_TYPE_HOSTNAMES,
     .repeatable = true,
     .example = "shop.example.com, *.shop.example.com",
     .help = "host names that clients ask for, separated by commas; a wildcard stands for one whole first label"},
    {.id = TG_OPT_LISTENER,
     .key = "listener",
     .sections = TG_SECTION_SNI,
     .type = TG_TYPE_REFERENCE,
     .example = "api",
     .help = "only on that listener"},
};

_Static_assert(sizeof(options) / sizeof(options[0]) == TG_OPT_COUNT, "one row for each option");

size_t tg_options_count(void)
{
	return TG_OPT_COUNT;
}

const struct tg_option *tg_options_get(size_t index)
{
	return index < TG_OPT_COUNT ? &options[index] : NULL;
}

const struct tg_option *tg_options_find(const char *key)
{
	for (size_t i = 0; i < TG_OPT_COUNT; i++)
		if (strcmp(options[i].key, key) == 0)
			return &options[i];
	return NULL;
}

const struct tg_choice *tg_option_choice(const struct tg_option *option, const char *word)
{
	for (const struct tg_choice *choice = option->choices; choice && choice->word; choice++)
		if (strcmp(choice->word, word) == 0)
			return choice;
	return NULL;
}

const char *tg_option_word(enum tg_option_id id, int number)
{
	for (const struct tg_choice *choice = options[id].choices; choice && choice->word; choice++)
		if (choice->number == number)
			return choice->word;
	return NULL;
}

static const struct {
	enum tg_section_kind kind;
	const char *word;
} kinds[] = {
    {TG_SECTION_TLSGRAFT, "tlsgraft"},
    {TG_SECTION_SERVER, "server"},
    {TG_SECTION_LISTENER, "listener"},
    {TG_SECTION_SNI, "sni"},
};

const char *tg_section_word(enum tg_section_kind kind)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (kinds[i].kind == kind)
			return kinds[i].word;
	return NULL;
}

unsigned tg_section_kind_of(const char *word, size_t length)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strlen(kinds[i].word) == length && memcmp(kinds[i].word, word, length) == 0)
			return kinds[i].kind;
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "ipc/refusal.h"

#include <string.h>

static const struct tg_refusal_text texts[TG_REFUSAL_COUNT] = {
    [TG_REFUSED_NO_CERTIFICATE] = {"no_certificate", "The client showed no certificate",
				   "Give the client a certificate that one of ca signed, and its key"},
    [TG_REFUSED_UNKNOWN_CA] = {"unknown_ca", "The certificate does not lead to any certificate in ca",
			       "Add the client's CA to ca, or let the client send the intermediates that are missing"},
    [TG_REFUSED_EXPIRED] = {"expired", "The certificate, or one above it, has expired",
			    "Renew it; where it has not, look at this machine's clock"},
    [TG_REFUSED_NOT_YET_VALID] = {"not_yet_valid", "The certificate, or one above it, is not valid yet",
				  "Compare the clocks of this machine and of the CA"},
    [TG_REFUSED_REVOKED] = {"revoked", "The certificate is in a CRL of its CA",
			    "Give the client a new certificate, if it shall be let in"},
    [TG_REFUSED_CRL_STALE] = {"crl_stale", "The CRL of the certificate's CA has ended or has not begun",
			      "Fetch the CA's newest CRL and reload"},
    [TG_REFUSED_CRL_MISSING] = {"crl_missing", "No CRL that the certificate's CA signed is in crl",
				"Add that CA's CRL; with crl_check = chain, also those of the CAs above it"},
    [TG_REFUSED_CRL_SCOPE] =
	{"crl_scope", "The CRL of the certificate's CA does not cover it, or cannot be understood",
	 "Use the CA's full CRL: not one for some reasons, some kinds of certificates, or changes only"},
    [TG_REFUSED_NOT_ALLOWED] = {"not_allowed", "The certificate is good, and no allow rule names it",
				"Add a rule to allow, if the client shall be let in"},
    [TG_REFUSED_WRONG_PURPOSE] = {"wrong_purpose",
				  "The certificate, or one above it, is not for authenticating TLS clients",
				  "Issue one with the extended key usage clientAuth and the key usage digitalSignature"},
    [TG_REFUSED_WEAK_KEY] = {"weak_key", "A key is too small for security_level, or of a kind that is not accepted",
			     "Issue a certificate with a larger key (RSA 2048, ECDSA P-256, or more)"},
    [TG_REFUSED_WEAK_DIGEST] = {"weak_digest", "A certificate is signed with a digest too weak for security_level",
				"Issue one that is signed with SHA-256 or better"},
    [TG_REFUSED_NAME_CONSTRAINTS] = {"name_constraints", "The certificate has a name that a CA above it may not give",
				     "Issue one with names within the CA's name constraints"},
    [TG_REFUSED_PATH_LENGTH] = {"path_length", "More CAs are in between than verify_depth or a CA itself permits",
				"Raise verify_depth; where a CA's pathlen forbids it, use a CA that is higher up"},
    [TG_REFUSED_BAD_SIGNATURE] =
	{"bad_signature", "A certificate's signature, or the client's proof that it has the key, is wrong",
	 "Look for another CA of the same name, and for a client with the key of another certificate"},
    [TG_REFUSED_PROTOCOL] = {"protocol", "The client and this section have no TLS version in common",
			     "Update the client, or lower min_protocol or raise max_protocol"},
    [TG_REFUSED_NO_COMMON_CIPHER] = {"no_common_cipher", "The client and the server have no cipher suite in common",
				     "Compare ciphers, ciphersuites and the types of the keys served with what the client "
				     "offers"},
    [TG_REFUSED_NO_COMMON_GROUP] = {"no_common_group", "The client and the server have no key exchange group in common",
				    "Add a group of the client's to groups"},
    [TG_REFUSED_NO_COMMON_SIGNATURE] =
	{"no_common_signature", "The client and the server have no signature algorithm in common",
	 "Serve a key of a type that the client knows, or lower security_level for old clients"},
    [TG_REFUSED_NO_COMMON_ALPN] = {"no_common_alpn",
				   "The client offers none of the protocols in alpn, or no protocol at all",
				   "Add the client's protocol to alpn, if the server speaks it, or take alpn_required out"},
    [TG_REFUSED_MALFORMED] = {"malformed",
			      "What the client sent is not TLS, or broken, or a certificate that cannot be read",
			      "Look for clients that speak plaintext, or another protocol, to this port"},
    [TG_REFUSED_CLIENT_ALERT] = {"client_alert", "The client refused the server: it ended the handshake with an alert",
				 "Read the alert in the log; unknown CA means that the client does not trust the server's "
				 "certificate"},
    [TG_REFUSED_INCOMPLETE] = {"incomplete", "The connection was closed in the middle of its handshake",
			       "Look at the client's log: many clients close so where they do not like the server's "
			       "certificate"},
    [TG_REFUSED_TIMEOUT] = {"timeout", "The handshake was not finished within handshake_timeout",
			    "Nothing, where it is a scanner; else look at the network in between"},
    [TG_REFUSED_OTHER] = {"other", "None of the above: something failed in the server itself",
			  "Read the line about it in the log"},
};

const struct tg_refusal_text *tg_refusal_text(enum tg_refusal reason)
{
	return &texts[(unsigned)reason < TG_REFUSAL_COUNT ? reason : TG_REFUSED_OTHER];
}

const char *tg_refusal_name(enum tg_refusal reason)
{
	return tg_refusal_text(reason)->name;
}

const struct tg_refusal_text *tg_refusal_named(const char *name)
{
	for (unsigned i = 0; i < TG_REFUSAL_COUNT; i++)
		if (strcmp(texts[i].name, name) == 0)
			return &texts[i];
	return NULL;
}

enum tg_refusal tg_refusal_shown(unsigned place)
{
	if (place + 1 >= TG_REFUSAL_COUNT)
		return TG_REFUSED_OTHER;
	return (enum tg_refusal)(place < TG_REFUSED_OTHER ? place : place + 1);
}

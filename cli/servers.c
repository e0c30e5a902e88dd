/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/servers.h"

#include <stddef.h>
#include <string.h>

static const char postfix[] = "smtpd_tls_security_level = encrypt in main.cf";
static const char dovecot[] = "ssl = required and disable_plaintext_auth = yes";
static const char mariadb[] = "require_secure_transport = ON";

static const struct tg_server servers[] = {
    {"nginx", "nginx", true, NULL, NULL},
    {"haproxy", "HAProxy", true, NULL, NULL},
    {"lighttpd", "lighttpd", true, NULL, NULL},
    {"stunnel", "stunnel", true, NULL, NULL},
    {"stunnel4", "stunnel", true, NULL, NULL},
    {"hitch", "hitch", true, NULL, NULL},
    {"postgres", "PostgreSQL", true,
     "hostssl lines alone in pg_hba.conf, or a line `host all all all reject` before others", "pg_ctlcluster"},
    {"freeradius", "FreeRADIUS", true, NULL, NULL},
    {"turnserver", "coturn", true, NULL, NULL},
    {"apache2", "Apache", true, NULL, "apachectl"},
    {"proftpd", "ProFTPD", true, "TLSRequired on", NULL},
    {"dovecot", "Dovecot", true, dovecot, NULL},
    {"imap-login", "Dovecot", true, dovecot, NULL},
    {"pop3-login", "Dovecot", true, dovecot, NULL},
    {"submission-login", "Dovecot", true, dovecot, NULL},
    {"gunicorn", "gunicorn", true, NULL, NULL},
    {"mosquitto", "mosquitto", false, NULL, NULL},
    {"redis-server", "Redis", false, NULL, NULL},
    {"redis-check-rdb", "Redis", false, NULL, NULL},
    {"memcached", "memcached", false, NULL, "systemd-memcached-wrapper"},
    {"mariadbd", "MariaDB", false, mariadb, NULL},
    {"mysqld", "MySQL", false, mariadb, NULL},
    {"vsftpd", "vsftpd", false, "force_local_logins_ssl=YES and force_local_data_ssl=YES (or implicit_ssl=YES)", NULL},
    {"master", "Postfix", false, postfix, "postmulti"},
    {"smtpd", "Postfix", false, postfix, "postmulti"},
    {"slapd", "OpenLDAP", false, "olcSecurity: tls=1 (security tls=1)", NULL},
    {"exim4", "Exim", false, "an ACL that refuses where $tls_in_cipher is empty, say in acl_smtp_mail", NULL},
};

static const struct {
	const char *protocol;
	const char *remedy;
} protocols[] = {
    {"SMTP", "Postfix smtpd_tls_security_level = encrypt"},
    {"FTP", "vsftpd force_local_logins_ssl=YES and force_local_data_ssl=YES, ProFTPD TLSRequired on"},
    {"IMAP", "Dovecot ssl = required and disable_plaintext_auth = yes (its own addresses and loopback stay exempt)"},
    {"POP3", "Dovecot ssl = required and disable_plaintext_auth = yes (its own addresses and loopback stay exempt)"},
    {"MySQL", "require_secure_transport = ON"},
    {"PostgreSQL", "hostssl lines alone in pg_hba.conf, or `host all all all reject` before others"},
    {"LDAP", "olcSecurity: tls=1"},
};

const struct tg_server *tg_server_known(const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash == NULL ? path : slash + 1;

	for (size_t i = 0; i < sizeof(servers) / sizeof(servers[0]); i++)
		if (strcmp(name, servers[i].program) == 0)
			return &servers[i];
	return NULL;
}

const char *tg_server_protocol_switch(const char *protocol)
{
	for (size_t i = 0; protocol != NULL && i < sizeof(protocols) / sizeof(protocols[0]); i++)
		if (strcmp(protocol, protocols[i].protocol) == 0)
			return protocols[i].remedy;
	return NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/modules.h"

#include <fnmatch.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>

static const struct {
	const char *program; /* pattern for the file's name */
	const char *module;  /* pattern for a file */
} known[] = {
    {"apache2", "/usr/lib/apache2/modules/mod_ssl.so"},
    {"httpd", "/usr/lib64/httpd/modules/mod_ssl.so"},
    {"lighttpd", "/usr/lib/lighttpd/mod_openssl.so"},
    {"lighttpd", "/usr/lib64/lighttpd/mod_openssl.so"},
    {"proftpd", "/usr/lib/proftpd/mod_tls.so"},
    {"dovecot", "/usr/lib/dovecot/modules/libssl_iostream_openssl.so"},
    {"*-login", "/usr/lib/dovecot/modules/libssl_iostream_openssl.so"},
    {"perl*", "/usr/lib/*/perl5/*/auto/Net/SSLeay/SSLeay.so"},
    {"ruby*", "/usr/lib/*/ruby/*/openssl.so"},
    {"exim4", "/usr/lib/exim4/*/tls_openssl.so"},
};

static bool first_of(const char *pattern, char ret[PATH_MAX])
{
	glob_t found;
	bool any = false;

	if (glob(pattern, 0, NULL, &found) != 0)
		return false;
	if (found.gl_pathc > 0 && strlen(found.gl_pathv[0]) < PATH_MAX) {
		strcpy(ret, found.gl_pathv[0]);
		any = true;
	}
	globfree(&found);
	return any;
}

/* Below the folder that the interpreter is installed in: /usr/bin/python3.11 has /usr/lib/python3.11/lib-dynload. */
static bool python_module(const char *path, const char *name, char ret[PATH_MAX])
{
	char pattern[PATH_MAX];
	const int folder = (int)(name - path) - 1;

	if (fnmatch("python3*", name, 0) != 0 || folder < 0)
		return false;
	if (snprintf(pattern, sizeof(pattern), "%.*s/../lib/%s/lib-dynload/_ssl*.so", folder, path, name) >=
	    (int)sizeof(pattern))
		return false;
	return first_of(pattern, ret);
}

bool tg_modules_find(const char *path, char ret[PATH_MAX])
{
	const char *slash = strrchr(path, '/');
	const char *name = slash == NULL ? path : slash + 1;

	if (slash != NULL && python_module(path, name, ret))
		return true;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (fnmatch(known[i].program, name, 0) == 0 && first_of(known[i].module, ret))
			return true;
	return false;
}

bool tg_modules_java(char ret[PATH_MAX])
{
	return first_of("/usr/lib/*/libtcnative-1.so*", ret) || first_of("/usr/lib*/libtcnative-1.so*", ret);
}

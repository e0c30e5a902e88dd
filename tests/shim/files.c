/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/shim/files.h"

#include <stdio.h>

static const char *home;

void files_in(const char *folder)
{
	home = folder;
}

const char *files_path(const char *name)
{
	static char text[4][512];
	static unsigned next;
	char *out = text[next++ % 4];

	snprintf(out, sizeof(text[0]), "%s/%s", home, name);
	return out;
}

void files_use(SSL_CTX *ctx, const char *name)
{
	char file[64];

	snprintf(file, sizeof(file), "%s.pem", name);
	SSL_CTX_use_certificate_chain_file(ctx, files_path(file));
	snprintf(file, sizeof(file), "%s.key", name);
	SSL_CTX_use_PrivateKey_file(ctx, files_path(file), SSL_FILETYPE_PEM);
}

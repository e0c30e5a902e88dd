/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The certificates that a test gives its programs in one folder: NAME.pem and NAME.key.
 */
#ifndef TG_TESTS_SHIM_FILES_H
#define TG_TESTS_SHIM_FILES_H

#include <openssl/ssl.h>

void files_in(const char *folder);

/* FOLDER/name; good until the fourth call after this one. */
const char *files_path(const char *name);

/* Certificate chain and key of that name; the name is not repeated by an error: a test without them fails by itself. */
void files_use(SSL_CTX *ctx, const char *name);

#endif

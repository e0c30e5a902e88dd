/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Saves and restores the caller's OpenSSL error queue. The loader's trial handshakes empty the queue (SSL_do_handshake(3)),
 * and a mark (ERR_set_mark(3)) does not survive that.
 */
#ifndef TG_LOADER_ERRORS_H
#define TG_LOADER_ERRORS_H

#define TG_ERRORS_MAX 16 /* as many as OpenSSL keeps */

struct tg_errors {
	struct {
		unsigned long code;
		int line;
		char *file, *function, *data; /* malloc'ed, or NULL */
	} items[TG_ERRORS_MAX];
	int count;
};

void tg_errors_take(struct tg_errors *ret);
void tg_errors_restore(struct tg_errors *errors); /* discards newer errors */

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What people put into these files by mistake: formats and objects that this program does not read, each with its name and
 * what to do about it. Words for messages, nothing else.
 */
#ifndef TG_LOADER_FOREIGN_H
#define TG_LOADER_FOREIGN_H

#include <stdbool.h>
#include <stddef.h>

/* What follows "is neither certificate, key nor CRL" of a PEM block with this label; "" where nothing is known of it. */
const char *tg_foreign_block(const char *label);

/*
 * What these bytes are ("is a Java keystore..."); NULL: nobody knows. `text`: known by a word that a PEM file, too, could
 * begin with; else by bytes that none does.
 */
const char *tg_foreign_file(const unsigned char *bytes, size_t size, bool text);

/* What a DER value is that is no certificate, key, CRL or PKCS#12; NULL: nobody knows. */
const char *tg_foreign_der(const unsigned char *bytes, size_t size);

#endif

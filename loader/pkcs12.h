/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PKCS#12 (RFC 7292), bag by bag, so that nothing in it is left out: every certificate, key and CRL is found, and what is
 * neither is a fault. What the file says about the trust in a certificate (Java's trustedKeyUsage) becomes the
 * certificate's trust settings, as a TRUSTED CERTIFICATE block has them.
 */
#ifndef TG_LOADER_PKCS12_H
#define TG_LOADER_PKCS12_H

#include "loader/reader.h"

/* True where these bytes begin as PKCS#12 does: no certificate, key or CRL does. */
bool tg_pkcs12_probable(const unsigned char *bytes, size_t size);

/* DER or BER; all of `size` is one value. */
enum tg_read_result tg_pkcs12_read(struct tg_reader *reader, const unsigned char *bytes, size_t size);

#endif

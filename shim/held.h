/*
 * What the server sets late does not win: which of its settings are held back on a connection, and when.
 *
 *   row                                   held from    held in modes
 *   certificate, key, chain, staple       certificate  server, optional, mutual
 *   verification, CA names                certificate  optional, mutual
 *   protocol bounds, ciphers, groups      ClientHello  where the policy sets them
 *   PSK, early data, renegotiation        ClientHello  optional, mutual
 *
 * Nothing is held outside a handshake, under `off`, or on an SSL that no section governs. A held call reports success and
 * changes nothing: the server goes on as if it had its way.
 */
#ifndef TG_SHIM_HELD_H
#define TG_SHIM_HELD_H

#include "shim/openssl.h"

#include <stdbool.h>

enum tg_row { TG_ROW_IDENTITY, TG_ROW_VERIFICATION, TG_ROW_PROTOCOL, TG_ROW_SHORTCUT };

bool tg_held(const SSL *ssl, enum tg_row row);

/* The row that an SSL_ctrl command belongs to; false where it can undo nothing. */
bool tg_held_ctrl(const SSL *ssl, int command);

#endif

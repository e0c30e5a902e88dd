/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the server sets late does not win: which of its calls on an SSL are held back, and when. The calls are in held.def.
 *
 *   row            what                                   held from    held in modes
 *   IDENTITY       certificate, key, chain, staple,       certificate  server, optional, mutual
 *                  switch to another context
 *   VERIFICATION   verify mode and callback, CA names     certificate  optional, mutual; server with override
 *   PROTOCOL       version, suites, groups, level         ClientHello  where the policy sets one of them
 *   SHORTCUT       early data, renegotiation, a session   ClientHello  optional, mutual
 *   KEYS           what needs no certificate: PSK, SRP    ClientHello  mutual
 *   ANY            calls that can do all of it            ClientHello  as long as another row holds
 *
 * IDENTITY, VERIFICATION and SHORTCUT stay held once the handshake is over where clients are verified: what is set then
 * counts in a renegotiation or a post-handshake authentication. Nothing is held under `off`, on an SSL that no section
 * governs, or before a ClientHello: that is what the trampolines (enforce.h) undo. A held call reports success and changes
 * nothing: the server goes on as if it had its way.
 */
#ifndef TG_SHIM_POLICY_HELD_H
#define TG_SHIM_POLICY_HELD_H

#include "shim/binding/openssl.h"

#include <stdbool.h>

enum tg_way {
#define TG_HELD(what, row) TG_WAY_##what,
#define TG_HELD_CONTROL(what, row)
#include "shim/policy/held.def"
#undef TG_HELD
#undef TG_HELD_CONTROL
};

bool tg_held(const SSL *ssl, enum tg_way way);

/* The same for an SSL_ctrl command; false where it can undo nothing. */
bool tg_held_control(const SSL *ssl, int command);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the server sets late does not win: which of its calls on an SSL are blocked, and when. The calls are in
 * blocked_calls.def.
 *
 *   row            what                                   blocked from blocked in modes
 *   IDENTITY       certificate, key, chain, staple,       certificate  server, optional, mutual
 *                  switch to another context
 *   VERIFICATION   verify mode and callback, CA names     certificate  optional, mutual; server with override
 *   PROTOCOL       version, suites, groups, level         ClientHello  where the policy sets one of them
 *   CERTIFICATELESS       early data, renegotiation, a session   ClientHello  optional, mutual
 *   KEYS           what needs no certificate: PSK, SRP    ClientHello  mutual
 *   ANY            calls that can do all of it            ClientHello  as long as another row blocks
 *
 * IDENTITY, VERIFICATION and CERTIFICATELESS stay blocked once the handshake is over where clients are verified: what is
 * set then counts in a renegotiation or a post-handshake authentication. Nothing is blocked under `off`, on an SSL that no
 * section governs, or before a ClientHello: that is what the trampolines (enforce.h) undo. A blocked call reports success
 * and changes nothing: the server goes on as if it had its way.
 */
#ifndef TG_SHIM_POLICY_BLOCKED_CALLS_H
#define TG_SHIM_POLICY_BLOCKED_CALLS_H

#include "shim/binding/openssl.h"

#include <stdbool.h>

enum tg_way {
#define TG_BLOCKED(what, row) TG_WAY_##what,
#define TG_BLOCKED_CONTROL(what, row)
#include "shim/policy/blocked_calls.def"
#undef TG_BLOCKED
#undef TG_BLOCKED_CONTROL
};

bool tg_call_is_blocked(const SSL *ssl, enum tg_way way);

/* The same for an SSL_ctrl command; false where it can undo nothing. */
bool tg_control_is_blocked(const SSL *ssl, int command);

#endif

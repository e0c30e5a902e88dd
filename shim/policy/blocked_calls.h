/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decides which calls of the server on an SSL are blocked, and when, so that a late setting cannot undo the policy. The
 * calls are listed in blocked_calls.def.
 *
 *   row              what                                  blocked from  blocked in modes
 *   IDENTITY         certificate, key, chain, staple,      certificate   server, optional, mutual
 *                    switch to another context
 *   VERIFICATION     verify mode and callback, CA names    certificate   optional, mutual; server with override
 *   PROTOCOL         version, suites, groups, level        ClientHello   if the policy sets one of them
 *   CERTIFICATELESS  early data, renegotiation, a session  ClientHello   optional, mutual
 *   KEYS             keys instead of certificates:         ClientHello   mutual
 *                    PSK, SRP
 *   ANY              calls that can do all of the above    ClientHello   if any other row blocks
 *
 * If clients are verified, IDENTITY, VERIFICATION and CERTIFICATELESS stay blocked after the handshake: a setting made then
 * would take effect in a renegotiation or a post-handshake authentication. Nothing is blocked under `off`, on an SSL that
 * no section governs, or before the ClientHello: the trampolines (enforce.h) overwrite what the server sets before it. A
 * blocked call reports success and changes nothing, so that the server goes on as if the call had worked.
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

/* The same for an SSL_ctrl command. False for a command that cannot undo the policy. */
bool tg_control_is_blocked(const SSL *ssl, int command);

#endif

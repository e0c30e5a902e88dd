/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Why a client is refused: the reason that it is counted under, and OpenSSL's error code. fault.def maps every error of
 * OpenSSL to a reason.
 */
#ifndef TG_SHIM_POLICY_FAULT_H
#define TG_SHIM_POLICY_FAULT_H

#include "ipc/events.h"
#include "shim/binding/openssl.h"

struct tg_fault {
	enum tg_refusal reason;
	enum tg_event_source source; /* of `code` */
	uint32_t code;
	int depth;         /* of the faulty certificate; -1: no certificate is at fault */
	const char *words; /* a constant; never freed */
};

/* The fault for `error` (X509_V_ERR_*) of a verification with `store`. */
struct tg_fault tg_fault_of_chain(const struct tg_openssl *o, X509_STORE_CTX *store, int error);

/* The same without the store. `depth` may be -1. */
struct tg_fault tg_fault_of_verification(const struct tg_openssl *o, int error, int depth);

/* The fault for the newest error in OpenSSL's queue, which ended the handshake of `ssl`. The queue is not changed. */
struct tg_fault tg_fault_of_handshake(const struct tg_openssl *o, SSL *ssl);

/* A fault that OpenSSL has no code for. */
struct tg_fault tg_fault_of_ours(enum tg_refusal reason, const char *words);

#endif

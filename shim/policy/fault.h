/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Why a client is refused: the reason under which it is counted, and what OpenSSL calls it. Every fault that OpenSSL knows
 * has its reason in fault.def.
 */
#ifndef TG_SHIM_POLICY_FAULT_H
#define TG_SHIM_POLICY_FAULT_H

#include "ipc/events.h"
#include "shim/binding/openssl.h"

struct tg_fault {
	enum tg_refusal reason;
	enum tg_event_source source; /* of `code` */
	uint32_t code;
	int depth;         /* of the certificate at fault; -1: it is about none */
	const char *words; /* for ever there */
};

/* What a verification found, X509_V_ERR_*; `store` is the one that was used. */
struct tg_fault tg_fault_of_chain(const struct tg_openssl *o, X509_STORE_CTX *store, int error);

/* The same, of which no more than the error is known. `depth` may be -1. */
struct tg_fault tg_fault_of_verification(const struct tg_openssl *o, int error, int depth);

/* What ended the handshake of `ssl` by an error of OpenSSL's: the newest of the error queue, which stays as it is. */
struct tg_fault tg_fault_of_handshake(const struct tg_openssl *o, SSL *ssl);

/* One that only we know of. */
struct tg_fault tg_fault_of_ours(enum tg_refusal reason, const char *words);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory that a keeper shares with the processes of one server tree.
 *
 * The keeper makes two memfds, which are never resized:
 *
 *   policy   The keeper alone writes it. Sealed FUTURE_WRITE | SHRINK | GROW | SEAL; attached processes map it read-only.
 *            It has two slots; the current one is `sequence & 1`. See publish.h (writer) and read.h (reader).
 *   report   Attached processes write it. Sealed SHRINK | GROW | SEAL. The keeper maps it read-only and treats its content
 *            as untrusted input. See report.h.
 *
 * Writer and reader run on the same machine, so integers are in its byte order. A change of meaning raises the layout
 * number. An attached process reads its own layout and the one before. So a program that executes itself after the package
 * was upgraded stays in its tree. What each layout added:
 *
 *   4   policies carry ALPN; more reasons for refusals, events and `alpn_unanswered` end the report page;
 *       `relay_is_down` in the policy header
 *   3   routes of policy documents carry what plaintext servers need; their counters end the report page; `relay_key` in
 *       the policy header
 *   2   policy documents carry max_session_age and recheck; `recheck` in the policy header
 *   1   the first
 *
 * New members of the report page go to its end: the page of an older layout is the beginning of the page of a newer one.
 */
#ifndef TG_IPC_LAYOUT_H
#define TG_IPC_LAYOUT_H

#include <stdatomic.h>
#include <stdint.h>

/* The tests build with another number to get a "newer version" to upgrade to. */
#ifndef TG_LAYOUT
#define TG_LAYOUT 4u
#endif
#define TG_POLICY_MAGIC 0x6c6f7067u /* "gpol" */
#define TG_REPORT_MAGIC 0x70657267u /* "grep" */

/* Names of the memfds: "tlsgraft-policy:<tree>" and "tlsgraft-report:<tree>", as /proc/PID/maps shows them. */
#define TG_POLICY_NAME "tlsgraft-policy:"
#define TG_REPORT_NAME "tlsgraft-report:"

/* A tree's name: 16 lower-case hexadecimal digits. Its socket is the abstract "\0tlsgraft/<tree>". */
#define TG_TREE_LENGTH 16
#define TG_SOCKET_PREFIX "tlsgraft/"

#define TG_PAGE_SIZE 4096u
#define TG_RELAY_KEY_SIZE 16

struct tg_policy_slot {
	uint64_t length; /* bytes of the encoded document in this slot; 0: nothing */
};

/* First page of the policy memfd; slot i begins at TG_PAGE_SIZE + i * slot_size. */
struct tg_policy_header {
	uint32_t magic;
	uint32_t layout;
	uint64_t slot_size;        /* bytes, a multiple of TG_PAGE_SIZE */
	_Atomic uint64_t sequence; /* the generation being served; 0: none yet */
	struct tg_policy_slot slots[2];
	_Atomic uint64_t recheck; /* the newest generation by which live connections are judged again; 0: none */
	unsigned char relay_key[TG_RELAY_KEY_SIZE]; /* proves to the relay that a process has the policy (relay.h) */
	_Atomic uint32_t relay_is_down;             /* not 0: the relay takes no requests now (keeper/relay.h) */
};

/* Why a client was refused. refusal.h has names and meanings. */
enum tg_refusal {
	TG_REFUSED_NO_CERTIFICATE,
	TG_REFUSED_UNKNOWN_CA,
	TG_REFUSED_EXPIRED,
	TG_REFUSED_NOT_YET_VALID,
	TG_REFUSED_REVOKED,
	TG_REFUSED_CRL_STALE,
	TG_REFUSED_NOT_ALLOWED,
	TG_REFUSED_PROTOCOL,
	TG_REFUSED_OTHER,
	TG_REFUSED_WRONG_PURPOSE, /* from layout 4 on; append new reasons at the end */
	TG_REFUSED_WEAK_KEY,
	TG_REFUSED_WEAK_DIGEST,
	TG_REFUSED_NAME_CONSTRAINTS,
	TG_REFUSED_PATH_LENGTH,
	TG_REFUSED_CRL_MISSING,
	TG_REFUSED_CRL_SCOPE,
	TG_REFUSED_BAD_SIGNATURE,
	TG_REFUSED_NO_COMMON_GROUP,
	TG_REFUSED_NO_COMMON_SIGNATURE,
	TG_REFUSED_NO_COMMON_CIPHER,
	TG_REFUSED_MALFORMED,
	TG_REFUSED_CLIENT_ALERT,
	TG_REFUSED_INCOMPLETE,
	TG_REFUSED_TIMEOUT,
	TG_REFUSED_NO_COMMON_ALPN,
	TG_REFUSAL_COUNT
};

#define TG_REFUSALS_BEFORE_4 9u /* reasons that layout 3 has too */
#define TG_REFUSALS_MAX 64u     /* reasons that the page has room for */

/* A process that has the policy. The pid's hash selects the slot. A process may take over the slot of a dead one. */
struct tg_process_slot {
	_Atomic uint32_t pid;
	_Atomic uint32_t reserved;
	_Atomic uint64_t generation; /* the newest that this process has turned into OpenSSL objects */
};

#define TG_SECTION_NAME_SIZE 64

/* Counters of one section. Found by name, so that they survive reloads that add or remove sections. */
struct tg_section_slot {
	_Atomic uint32_t state; /* 0 free, 1 being claimed, 2 ready */
	char name[TG_SECTION_NAME_SIZE];
	_Atomic uint64_t accepted; /* includes resumed */
	_Atomic uint64_t resumed;
	_Atomic uint64_t refused;
	_Atomic uint64_t would_refuse;
	_Atomic uint64_t aborted;
	_Atomic uint64_t refused_by[TG_REFUSALS_BEFORE_4]; /* further ones: struct tg_refusals_slot */
};

/* A local address that had handshakes although no section governs it. */
struct tg_ungoverned_slot {
	_Atomic uint32_t state; /* as above */
	uint16_t family;        /* 4 or 6; 0: the connection came to no IP address */
	uint16_t port;          /* host byte order */
	unsigned char address[16];
	_Atomic uint64_t handshakes;
};

/* Events of connections of a listener with `server_speaks = plaintext`. Handshakes are counted separately. */
enum tg_plaintext_event {
	TG_PLAINTEXT_CLIENT,  /* admitted without TLS, by accept_plaintext */
	TG_PLAINTEXT_DIRECT,  /* taken by the direct engine when it was accepted */
	TG_PLAINTEXT_RELAYED, /* given to the relay: when it was accepted, or later by the direct engine, counted in both */
	TG_PLAINTEXT_CLOSED,  /* closed, because neither engine could go on with it and plaintext must not leave */
	TG_PLAINTEXT_TIMED_OUT, /* closed, because its handshake was not done within handshake_timeout */
	TG_PLAINTEXT_EVENT_COUNT
};

/* Goes with the section slot of the same index. */
struct tg_plaintext_slot {
	_Atomic uint64_t counts[TG_PLAINTEXT_EVENT_COUNT];
	_Atomic uint64_t moves; /* not 0: a connection in use had to go to another process; the relay takes new ones */
	_Atomic uint64_t last_client; /* when the last TG_PLAINTEXT_CLIENT was, seconds since the epoch; 0: none yet */
};

/* Goes with the section slot of the same index: the reasons from TG_REFUSED_WRONG_PURPOSE on. */
struct tg_refusals_slot {
	_Atomic uint64_t counts[TG_REFUSALS_MAX - TG_REFUSALS_BEFORE_4];
};

/* The newest events, encoded (events.h). An event's number determines its slot. */
#define TG_EVENT_SIZE 512u
#define TG_EVENT_WORDS (TG_EVENT_SIZE / 8)
#define TG_EVENT_SLOTS 512u

struct tg_event_slot {
	_Atomic uint64_t checksum; /* over the event's number and its words; detects a torn event */
	_Atomic uint64_t words[TG_EVENT_WORDS];
};

struct tg_event_ring {
	_Atomic uint64_t next; /* how many events there were */
	struct tg_event_slot slots[TG_EVENT_SLOTS];
};

#define TG_PROCESS_SLOTS 4096u
#define TG_SECTION_SLOTS 256u
#define TG_UNGOVERNED_SLOTS 64u

struct tg_report_page {
	uint32_t magic;
	uint32_t layout;
	_Atomic uint64_t reload_requests; /* one more for each reload signal that a process of the tree received */
	struct tg_process_slot processes[TG_PROCESS_SLOTS];
	struct tg_section_slot sections[TG_SECTION_SLOTS];
	struct tg_ungoverned_slot ungoverned[TG_UNGOVERNED_SLOTS];
	struct tg_plaintext_slot plaintext[TG_SECTION_SLOTS]; /* from layout 3 on */
	struct tg_refusals_slot refusals[TG_SECTION_SLOTS];   /* from layout 4 on, like what follows */
	struct tg_event_ring events;
	/* of each section: handshakes whose client offered ALPN and was answered by no protocol */
	_Atomic uint64_t alpn_unanswered[TG_SECTION_SLOTS];
};

#endif

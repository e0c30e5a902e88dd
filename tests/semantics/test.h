/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a case is made of: a connection that was accepted, a client that does what it is told (protocol.h), and a record of
 * what every call returned. The record of the same case over plaintext without the shim is what is right.
 *
 * Nothing here depends on time: the client answers when a step is done, and then the bytes are waited for in the socket
 * itself, past the shim.
 */
#ifndef TG_TESTS_SEMANTICS_TEST_H
#define TG_TESTS_SEMANTICS_TEST_H

#include "protocol.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct test {
	int listener;
	int control;
	int fd;          /* the connection */
	unsigned asked;  /* steps whose answer was not yet read */
	uint64_t sent;   /* bytes that this side has written, for what comes next in the stream */
	long port;       /* the client's own */
	struct log *log; /* shared with the processes that a case forks */
};

/* `accept_flags`: of accept4. */
void connect_warm(struct test *t, int accept_flags); /* with the handshake behind it */
void connect_cold(struct test *t, int accept_flags); /* nothing has happened yet, and nothing did in this process */

/* The client's steps: begun, and with their answers read up to this one. */
void begin(struct test *t, enum step_kind kind, unsigned size, unsigned count);
struct answer finish(struct test *t);
struct answer step(struct test *t, enum step_kind kind, unsigned size);
bool is_finished(const struct test *t);

/* A step, and what it did has arrived in this process's socket. */
void client_sends(struct test *t, unsigned size);
void client_sends_pieces(struct test *t, unsigned size, unsigned count);
void client_ends(struct test *t, enum step_kind kind);

/* The client reads `size` bytes or to the end; what it got is recorded. */
void client_receives(struct test *t, unsigned size);
void client_reads_to_end(struct test *t);
void note_answer(struct test *t, const char *what, const struct answer *answer);

/* The record. */
void note(struct test *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
long note_result(struct test *t, const char *what, long result); /* with errno */
void note_bytes(struct test *t, const char *buffer, ssize_t size);

/* No call sets errno to this: one that succeeds leaves it. */
#define ERRNO_UNTOUCHED 4095
#define CALL(t, call) (errno = ERRNO_UNTOUCHED, note_result(t, #call, (long)(call)))

/* Milliseconds of a clock that runs, for "not before". */
long now_ms(void);
void note_waited(struct test *t, long since, long at_least);

void set_nonblocking(int fd, bool on);
void set_timeout(int fd, int option, long ms);
/* Signals: how many came, and an interval timer's SIGALRM that interrupts, or restarts. */
int pipes_seen(void);
int alarms_seen(void);
void catch_alarm(bool restart);
void alarm_in(long ms);

/* The bytes that this side writes next. */
const char *next_bytes(struct test *t, size_t size);

#endif

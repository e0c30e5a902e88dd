/* SPDX-License-Identifier: Apache-2.0 */
/* Streams that cross an exec, or another boundary that only the relay's end can cross (descriptors.h). */
#include "ipc/report.h"
#include "shim/binding/libc.h"
#include "shim/direct/descriptors/descriptors.h"
#include "shim/direct/descriptors/holder.h"
#include "shim/direct/handoff/handover.h"
#include "shim/direct/readiness/readiness.h"
#include "shim/process/process.h"
#include "shim/process/say.h"
#include "shim/process/state.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>

/* Unless it is not that stream's any more, or somebody is about to close it. */
static void replace(const struct tg_holder *holder, int fd, int end)
{
	struct tg_left left = {.holder = NULL};

	tg_descriptors_lock();
	const uintptr_t entry = tg_entry_at(fd);
	const bool kept = (entry & TG_KEPT) != 0;
	if (tg_entry_open(entry) == holder) {
		if (fd != end)
			tg_libc.dup3(end, fd, kept ? 0 : O_CLOEXEC);
		else
			tg_libc.fcntl(fd, F_SETFD, kept ? 0 : FD_CLOEXEC);
		left = tg_entry_set(tg_descriptors_place(fd), fd, NULL, 0);
	}
	tg_descriptors_unlock();
	tg_left_finish(&left);
}

/* With a reference: every number of `holder` becomes what `end` is, close-on-exec as the server wants it. */
static void replace_all(const struct tg_holder *holder, int end)
{
	int last = tg_descriptors_end();

	for (int fd = 0; fd < last; fd++)
		if (fd != end && tg_entry_open(tg_entry_at(fd)) == holder)
			replace(holder, fd, end);
	replace(holder, end, end);
}

bool tg_descriptors_move(int fd)
{
	struct tg_holder *holder = tg_holder_at(fd);
	int saved = errno;
	bool done = false;

	if (holder != NULL) {
		done = tg_claim_take(&holder->claim) && tg_stream_move(holder->stream, fd, tg_handover) == 0;
		if (done) {
			tg_report_plaintext(tg_shim.report, holder->counters, TG_PLAINTEXT_RELAYED);
			tg_claim_give_away(&holder->claim);
			replace_all(holder, fd);
		}
		tg_descriptors_put(holder->stream);
	}
	errno = saved;
	return done;
}

bool tg_descriptors_hand_over(int fd)
{
	return tg_descriptors_may_relay(fd) && tg_descriptors_move(fd);
}

bool tg_descriptors_leave(int fd, const char *call, int error)
{
	static atomic_flag said = ATOMIC_FLAG_INIT;
	struct tg_holder *holder = tg_holder_at(fd);

	if (holder == NULL) {
		const bool is_plain = tg_descriptors_is_plain(fd);
		if (!is_plain)
			errno = EBADF;
		return is_plain;
	}
	/* What an epoll waits for, it would never hear of again. */
	const bool left = !tg_process_is_vforked() && !tg_stream_is_inside() && !tg_readiness_is_watched(holder->stream) &&
			  tg_descriptors_hand_over(fd);
	tg_report_moves(tg_shim.report, holder->counters);
	if (!left && !atomic_flag_test_and_set(&said))
		tg_say("%s failed on a connection: the direct engine does not carry it (engine = %s)", call,
		       holder->engine == TG_ENGINE_AUTO ? "auto gives the next ones to the relay" : "relay does");
	tg_holder_unref(holder);
	if (!left)
		errno = error;
	return left;
}

bool tg_descriptors_must_not_cross(int fd)
{
	struct tg_holder *holder = tg_holder_at(fd);

	if (holder == NULL)
		return false;
	const bool stays = !tg_descriptors_hand_over(fd);
	if (stays)
		tg_holder_is_stuck(holder);
	tg_holder_unref(holder);
	return stays;
}

bool tg_descriptors_may_relay(int fd)
{
	struct tg_holder *holder = tg_holder_at(fd);
	const bool may = holder != NULL && holder->engine == TG_ENGINE_AUTO;

	if (holder != NULL)
		tg_holder_unref(holder);
	return may;
}

int tg_dead_end(void)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
		return -1;
	tg_libc.close(ends[1]);
	return ends[0];
}

void tg_holder_is_stuck(const struct tg_holder *holder)
{
	tg_report_plaintext(tg_shim.report, holder->counters, TG_PLAINTEXT_CLOSED);
	/* by engine = direct, too, for who asks why */
	tg_report_moves(tg_shim.report, holder->counters);
}

static void bury(struct tg_holder *holder)
{
	int end = tg_dead_end();

	tg_holder_is_stuck(holder);
	/* Without one the numbers are close-on-exec still. */
	if (end < 0)
		return;
	replace_all(holder, end);
	tg_libc.close(end);
}

int tg_descriptors_pass_on(int from, int fd, bool kept)
{
	struct tg_holder *holder = tg_entry_holder(tg_entry_at(from));
	int r = tg_libc.dup3(from, fd, holder != NULL || !kept ? O_CLOEXEC : 0);

	if (r < 0 || holder == NULL)
		return r;
	if (holder->engine == TG_ENGINE_AUTO && tg_claim_take(&holder->claim) &&
	    tg_stream_move(holder->stream, fd, tg_handover) == 0) {
		tg_claim_give_away(&holder->claim);
		tg_report_plaintext(tg_shim.report, holder->counters, TG_PLAINTEXT_RELAYED);
		if (kept)
			tg_libc.fcntl(fd, F_SETFD, 0);
		return r;
	}
	int end = tg_dead_end();
	tg_holder_is_stuck(holder);
	/* Without one it is close-on-exec still. */
	if (end >= 0) {
		tg_libc.dup3(end, fd, kept ? 0 : O_CLOEXEC);
		tg_libc.close(end);
	}
	return r;
}

/*
 * What waits for a handshake that was begun here is lost. A server that blocks will do that again and again, so the relay
 * gets the next ones; one that does not may have given up a client for its silence.
 */
static void finish_elsewhere(const struct tg_holder *holder, int fd, const struct iovec *rest)
{
	if (rest->iov_len > 0 && tg_handover_rest(fd, rest->iov_base, rest->iov_len) == 0)
		return;
	if (rest->iov_len == 0 && holder->engine == TG_ENGINE_AUTO && tg_descriptors_is_blocking(holder->stream))
		tg_holder_is_stuck(holder);
	else
		tg_report_plaintext(tg_shim.report, holder->counters, TG_PLAINTEXT_CLOSED);
}

void tg_holder_finish(const struct tg_holder *holder, int fd)
{
	struct iovec rest;

	if (tg_stream_is_untouched(holder->stream))
		return;
	if (tg_stream_has_early(holder->stream) && tg_stream_move(holder->stream, fd, tg_handover_last) == 0)
		tg_report_plaintext(tg_shim.report, holder->counters, TG_PLAINTEXT_RELAYED);
	else if (!tg_stream_finish(holder->stream, &rest))
		finish_elsewhere(holder, fd, &rest);
}

void tg_descriptors_let_go(int fd)
{
	struct tg_holder *holder = tg_holder_at(fd);
	const int saved = errno;

	if (holder == NULL)
		return;
	if (!tg_descriptors_hand_over(fd))
		bury(holder);
	tg_holder_unref(holder);
	errno = saved;
}

bool tg_descriptors_give_up(void)
{
	const int last = tg_descriptors_end();
	bool all = true;

	for (int fd = 0; fd < last; fd++) {
		tg_descriptors_let_go(fd);
		all = all && tg_entry_open(tg_entry_at(fd)) == NULL;
	}
	return all;
}

/*
 * A child that has inherited a connection by the way, as ncat's have, must not take it from its parent: what is meant for
 * the new program is given to it as one of 0 to 2 (tg_duplicate_onto), or by the process that has it alone.
 */
static bool is_meant(const struct tg_holder *holder)
{
	return !atomic_load_explicit(&holder->shared, memory_order_relaxed) ||
	       tg_claim_look(&holder->claim) == TG_CLAIM_OURS;
}

void tg_descriptors_before_exec(void)
{
	int last = tg_descriptors_end(), saved = errno;

	if (atomic_load_explicit(&tg_descriptors_count, memory_order_relaxed) == 0 || tg_process_is_vforked())
		return;
	tg_stream_before_wait();
	for (int fd = 0; fd < last; fd++) {
		struct tg_holder *holder = tg_holder_at(fd);
		const uintptr_t entry = tg_entry_at(fd);
		if (holder == NULL)
			continue;
		if ((entry & TG_KEPT) != 0 && is_meant(holder))
			tg_descriptors_let_go(fd);
		tg_holder_unref(holder);
	}
	errno = saved;
}

void tg_descriptors_exit(void)
{
	int last = tg_descriptors_end(), saved = errno;

	if (atomic_load_explicit(&tg_descriptors_count, memory_order_relaxed) == 0 || tg_process_is_vforked())
		return;
	/* Other threads go on, and may close what is looked at. */
	for (int fd = 0; fd < last && !tg_stream_is_inside(); fd++) {
		struct tg_holder *holder = tg_holder_at(fd);
		if (holder == NULL)
			continue;
		bool ours = tg_claim_look(&holder->claim) == TG_CLAIM_OURS;
		if (ours)
			tg_holder_finish(holder, fd);
		/* A server that forks for each connection would use up all words. */
		if (ours)
			tg_claim_end(&holder->claim);
		tg_descriptors_put(holder->stream);
	}
	errno = saved;
}

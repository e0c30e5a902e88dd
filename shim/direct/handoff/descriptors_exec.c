/* SPDX-License-Identifier: Apache-2.0 */
/* Streams that cross an exec, or another boundary that only the relay's end can cross (descriptors.h). */
#include "ipc/report.h"
#include "shim/binding/libc.h"
#include "shim/direct/descriptors/descriptors.h"
#include "shim/direct/descriptors/fd_entry.h"
#include "shim/direct/handoff/handover.h"
#include "shim/direct/readiness/readiness.h"
#include "shim/process/log.h"
#include "shim/process/process.h"
#include "shim/process/state.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>

/* Unless it is not that stream's any more, or somebody is about to close it. */
static void replace(const struct tg_fd_entry *entry, int fd, int end)
{
	struct tg_left left = {.entry = NULL};

	tg_descriptors_lock();
	const uintptr_t word = tg_fd_word_at(fd);
	const bool kept = (word & TG_KEPT) != 0;
	if (tg_fd_word_open_entry(word) == entry) {
		if (fd != end)
			tg_libc.dup3(end, fd, kept ? 0 : O_CLOEXEC);
		else
			tg_libc.fcntl(fd, F_SETFD, kept ? 0 : FD_CLOEXEC);
		left = tg_fd_word_set(tg_descriptors_slot(fd), fd, NULL, 0);
	}
	tg_descriptors_unlock();
	tg_left_finish(&left);
}

/* With a reference: every number of `entry` becomes what `end` is, close-on-exec as the server wants it. */
static void replace_all(const struct tg_fd_entry *entry, int end)
{
	int last = tg_descriptors_end();

	for (int fd = 0; fd < last; fd++)
		if (fd != end && tg_fd_word_open_entry(tg_fd_word_at(fd)) == entry)
			replace(entry, fd, end);
	replace(entry, end, end);
}

bool tg_descriptors_move(int fd)
{
	struct tg_fd_entry *entry = tg_fd_entry_at(fd);
	int saved = errno;
	bool done = false;

	if (entry != NULL) {
		done = tg_claim_take(&entry->claim) && tg_stream_move(entry->stream, fd, tg_handover) == 0;
		if (done) {
			tg_report_plaintext(tg_shim.report, entry->counters, TG_PLAINTEXT_RELAYED);
			tg_claim_give_away(&entry->claim);
			replace_all(entry, fd);
		}
		tg_descriptors_put(entry->stream);
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
	struct tg_fd_entry *entry = tg_fd_entry_at(fd);

	if (entry == NULL) {
		const bool is_plain = tg_descriptors_is_plain(fd);
		if (!is_plain)
			errno = EBADF;
		return is_plain;
	}
	/* What an epoll waits for, it would never hear of again. */
	const bool left = !tg_process_is_vforked() && !tg_stream_is_inside() && !tg_readiness_is_watched(entry->stream) &&
			  tg_descriptors_hand_over(fd);
	tg_report_moves(tg_shim.report, entry->counters);
	if (!left && !atomic_flag_test_and_set(&said))
		tg_shim_log("%s failed on a connection: the direct engine does not carry it (engine = %s)", call,
			    entry->engine == TG_ENGINE_AUTO ? "auto gives the next ones to the relay" : "relay does");
	tg_fd_entry_unref(entry);
	if (!left)
		errno = error;
	return left;
}

bool tg_descriptors_must_not_cross(int fd)
{
	struct tg_fd_entry *entry = tg_fd_entry_at(fd);

	if (entry == NULL)
		return false;
	const bool stays = !tg_descriptors_hand_over(fd);
	if (stays)
		tg_fd_entry_is_stuck(entry);
	tg_fd_entry_unref(entry);
	return stays;
}

bool tg_descriptors_may_relay(int fd)
{
	struct tg_fd_entry *entry = tg_fd_entry_at(fd);
	const bool may = entry != NULL && entry->engine == TG_ENGINE_AUTO;

	if (entry != NULL)
		tg_fd_entry_unref(entry);
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

void tg_fd_entry_is_stuck(const struct tg_fd_entry *entry)
{
	tg_report_plaintext(tg_shim.report, entry->counters, TG_PLAINTEXT_CLOSED);
	/* by engine = direct, too, for who asks why */
	tg_report_moves(tg_shim.report, entry->counters);
}

static void make_dead(struct tg_fd_entry *entry)
{
	int end = tg_dead_end();

	tg_fd_entry_is_stuck(entry);
	/* Without one the numbers are close-on-exec still. */
	if (end < 0)
		return;
	replace_all(entry, end);
	tg_libc.close(end);
}

int tg_descriptors_pass_on(int from, int fd, bool kept)
{
	struct tg_fd_entry *entry = tg_fd_word_entry(tg_fd_word_at(from));
	int r = tg_libc.dup3(from, fd, entry != NULL || !kept ? O_CLOEXEC : 0);

	if (r < 0 || entry == NULL)
		return r;
	if (entry->engine == TG_ENGINE_AUTO && tg_claim_take(&entry->claim) &&
	    tg_stream_move(entry->stream, fd, tg_handover) == 0) {
		tg_claim_give_away(&entry->claim);
		tg_report_plaintext(tg_shim.report, entry->counters, TG_PLAINTEXT_RELAYED);
		if (kept)
			tg_libc.fcntl(fd, F_SETFD, 0);
		return r;
	}
	int end = tg_dead_end();
	tg_fd_entry_is_stuck(entry);
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
static void finish_elsewhere(const struct tg_fd_entry *entry, int fd, const struct iovec *tail)
{
	if (tail->iov_len > 0 && tg_handover_unsent_tail(fd, tail->iov_base, tail->iov_len) == 0)
		return;
	if (tail->iov_len == 0 && entry->engine == TG_ENGINE_AUTO && tg_descriptors_is_blocking(entry->stream))
		tg_fd_entry_is_stuck(entry);
	else
		tg_report_plaintext(tg_shim.report, entry->counters, TG_PLAINTEXT_CLOSED);
}

void tg_fd_entry_finish(const struct tg_fd_entry *entry, int fd)
{
	struct iovec tail;

	if (tg_stream_is_untouched(entry->stream))
		return;
	if (tg_stream_has_early(entry->stream) && tg_stream_move(entry->stream, fd, tg_handover_last) == 0)
		tg_report_plaintext(tg_shim.report, entry->counters, TG_PLAINTEXT_RELAYED);
	else if (!tg_stream_finish(entry->stream, &tail))
		finish_elsewhere(entry, fd, &tail);
}

void tg_descriptors_let_go(int fd)
{
	struct tg_fd_entry *entry = tg_fd_entry_at(fd);
	const int saved = errno;

	if (entry == NULL)
		return;
	if (!tg_descriptors_hand_over(fd))
		make_dead(entry);
	tg_fd_entry_unref(entry);
	errno = saved;
}

bool tg_descriptors_give_up(void)
{
	const int last = tg_descriptors_end();
	bool all = true;

	for (int fd = 0; fd < last; fd++) {
		tg_descriptors_let_go(fd);
		all = all && tg_fd_word_open_entry(tg_fd_word_at(fd)) == NULL;
	}
	return all;
}

/*
 * A child that has inherited a connection by the way, as ncat's have, must not take it from its parent: what is meant for
 * the new program is given to it as one of 0 to 2 (tg_duplicate_onto), or by the process that has it alone.
 */
static bool is_meant(const struct tg_fd_entry *entry)
{
	return !atomic_load_explicit(&entry->shared, memory_order_relaxed) || tg_claim_look(&entry->claim) == TG_CLAIM_OURS;
}

void tg_descriptors_before_exec(void)
{
	int last = tg_descriptors_end(), saved = errno;

	if (atomic_load_explicit(&tg_descriptors_count, memory_order_relaxed) == 0 || tg_process_is_vforked())
		return;
	tg_stream_before_wait();
	for (int fd = 0; fd < last; fd++) {
		struct tg_fd_entry *entry = tg_fd_entry_at(fd);
		const uintptr_t word = tg_fd_word_at(fd);
		if (entry == NULL)
			continue;
		if ((word & TG_KEPT) != 0 && is_meant(entry))
			tg_descriptors_let_go(fd);
		tg_fd_entry_unref(entry);
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
		struct tg_fd_entry *entry = tg_fd_entry_at(fd);
		if (entry == NULL)
			continue;
		bool ours = tg_claim_look(&entry->claim) == TG_CLAIM_OURS;
		if (ours)
			tg_fd_entry_finish(entry, fd);
		/* A server that forks for each connection would use up all words. */
		if (ours)
			tg_claim_end(&entry->claim);
		tg_descriptors_put(entry->stream);
	}
	errno = saved;
}

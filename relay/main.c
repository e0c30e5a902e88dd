/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tlsgraft-relay TREE LISTENER_FD POLICY_FD REPORT_FD LINK_FD
 *
 * Started by the keeper's guardian, not by people. Speaks TLS on the real sockets of connections that cannot be served
 * inside the server's process, and plaintext to the server. See docs/design/relay.md.
 */
#include "ipc/read.h"
#include "ipc/tree.h"
#include "ipc/untrusted_fd.h"
#include "relay/carriers.h"
#include "relay/confine.h"
#include "relay/counts.h"
#include "relay/filter.h"
#include "relay/link.h"
#include "relay/requests.h"
#include "shim/binding/libc.h"
#include "shim/direct/stream/stream.h"
#include "shim/policy/generation.h"
#include "shim/process/process.h"
#include "shim/process/state.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#define EXIT_USAGE 64
#define EXIT_OTHER 70
#define KEPT_MEMORY (4 * 1024 * 1024)

enum { FD_LISTENER, FD_POLICY, FD_REPORT, FD_LINK, FD_COUNT };

static int parse(int argc, char **argv, int ret_fds[FD_COUNT])
{
	if (argc != 2 + FD_COUNT || !tg_tree_valid(argv[1]))
		return -EINVAL;
	for (int i = 0; i < FD_COUNT; i++) {
		char *end;
		const long number = strtol(argv[2 + i], &end, 10);

		if (*end != '\0' || number <= STDERR_FILENO || number > INT_MAX ||
		    fcntl((int)number, F_SETFD, FD_CLOEXEC) < 0)
			return -EINVAL;
		ret_fds[i] = (int)number;
	}
	return 0;
}

/* As an attached process whose policy was mapped for it. */
static int govern(int policy_fd, int report_fd)
{
	int result;

	tg_libc_bind();
	result = tg_policy_map(policy_fd, &tg_shim.policy, &tg_shim.policy_size);
	close(policy_fd);
	if (result < 0)
		return result;
	madvise((void *)(uintptr_t)tg_shim.policy, tg_shim.policy_size, MADV_DONTDUMP);
	result = tg_counts_start(report_fd);
	if (result < 0)
		return result;
	tg_process_start();
	atomic_store_explicit(&tg_shim.state, TG_STATE_GOVERNED, memory_order_release);
	if (!tg_stream_prepare())
		return -ENOSYS;
	tg_generation_prepare();
	return 0;
}

static int idle(void)
{
	const int counts_ms = tg_counts_run();
	const int link_ms = tg_link_run();

	return link_ms < 0 || (counts_ms >= 0 && counts_ms < link_ms) ? counts_ms : link_ms;
}

/* Who never finishes a handshake leaves at least half of all descriptors, of which each connection has two, to the others.
 */
static void bound_handshakes(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur / 4 < UINT_MAX)
		tg_stream_bound_handshakes((unsigned)limit.rlim_cur / 4);
}

static struct tg_loop hearing;

static int hear(const char *tree, const int fds[FD_COUNT])
{
	static struct tg_listener listener = {.loop = &hearing};
	int result = tg_loop_open(&hearing);

	if (result < 0)
		return result;
	listener.fd = fds[FD_LISTENER];
	listener.tree = tree;
	listener.key = tg_shim.policy->relay_key;
	result = tg_requests_listen(&listener);
	/* before there is a thread that tells the guardian something */
	return result < 0 ? result : tg_link_start(fds[FD_LINK], &hearing);
}

/* 0 or a negative errno; *ret_failed is what failed. */
static int begin_service(const char *tree, const int fds[FD_COUNT], pid_t parent, const char **ret_failed)
{
	int result;

	*ret_failed = "taking the policy";
	result = govern(fds[FD_POLICY], fds[FD_REPORT]);
	if (result < 0)
		return result;
	*ret_failed = "giving up rights";
	result = tg_confine(parent);
	if (result < 0)
		return result;
	bound_handshakes();
	*ret_failed = "listening";
	result = hear(tree, fds);
	if (result < 0)
		return result;
	*ret_failed = "starting threads";
	result = tg_carriers_start(idle);
	/* a kernel or an architecture without it: what is above holds all the same */
	if (result == 0)
		tg_filter_install();
	return result;
}

int main(int argc, char **argv)
{
	const pid_t parent = getppid();
	const char *failed = "";
	int fds[FD_COUNT];
	int result;

	if (argc == 2 && strcmp(argv[1], "--version") == 0) {
		puts("tlsgraft-relay " TLSGRAFT_VERSION);
		return 0;
	}
	if (parse(argc, argv, fds) < 0) {
		fputs("usage: tlsgraft-relay TREE LISTENER_FD POLICY_FD REPORT_FD LINK_FD\n"
		      "Started by tlsgraft-keeper; see tlsgraft(1).\n",
		      stderr);
		return EXIT_USAGE;
	}
	/* else each connection's end gives memory back to the kernel, and the next one's begin asks for it again */
	mallopt(M_TRIM_THRESHOLD, KEPT_MEMORY);
	mallopt(M_TOP_PAD, KEPT_MEMORY / 4);
	/* without it untrusted processes may hold up those who ask, which is better than no relay */
	(void)tg_untrusted_fd_start();
	result = begin_service(argv[1], fds, parent, &failed);
	if (result < 0) {
		tg_link_cannot(fds[FD_LINK], failed, result);
		return EXIT_OTHER;
	}
	tg_link_ready();
	tg_loop_run(&hearing, idle);
}

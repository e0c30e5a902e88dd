/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/join.h"

#include "ipc/channel.h"
#include "ipc/policy.h"
#include "ipc/ports.h"
#include "ipc/read.h"
#include "ipc/report.h"
#include "ipc/route.h"
#include "ipc/tree.h"
#include "shim/binding/libc.h"
#include "shim/connections/accepted.h"
#include "shim/direct/descriptors/descriptors.h"
#include "shim/process/environment.h"
#include "shim/process/log.h"
#include "shim/process/program.h"
#include "shim/process/refuse.h"
#include "shim/process/start.h"
#include "shim/process/state.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define HELLO_TIMEOUT_MS 5000
#define EXIT_CONFIG 78 /* EX_CONFIG of sysexits.h: what every bad start ends with */

struct descriptors {
	int policy, report;
};

static int send_hello(const char *tree, struct descriptors *ret)
{
	return tg_channel_hello(tree, HELLO_TIMEOUT_MS, &ret->policy, &ret->report);
}

/*
 * A new tree: for a program started by hand, which must not start without its policy, and for a child of a tree whose
 * keeper is gone or of another layout, which then fails its handshakes instead.
 */
static int start_tree(bool at_start, bool by_hand, struct descriptors *ret)
{
	char tree[TG_TREE_LENGTH + 1];
	int r = at_start ? tg_environment_resolve_config() : 0;

	if (r == 0)
		r = tg_start_keeper(tg_environment_value(tg_environment.config), at_start, tree);
	if (r == 0)
		r = tg_environment_set_keeper(tree);
	if (r == 0)
		r = send_hello(tree, ret);
	if (r != 0 && at_start && by_hand) {
		if (r < 0)
			tg_shim_log("without its policy %s is not started: %s", program_invocation_short_name,
				    strerror(-r));
		tg_libc._exit(EXIT_CONFIG);
	}
	return r;
}

/* For programs that are executed and may get no policy. */
static int remember_ports(const struct tg_document *document)
{
	char *ports = tg_ports_text(document);
	int r = ports ? tg_environment_set_plaintext(ports) : -ENOMEM;

	free(ports);
	return r;
}

/* What the shim itself needs of the first generation. */
static int learn(const struct tg_policy_header *policy, size_t policy_size, bool *ret_concerned)
{
	struct tg_document *document = NULL;
	unsigned char *bytes = NULL;
	uint64_t generation;
	size_t size = 0;
	int r = tg_policy_copy(policy, policy_size, &bytes, &size, &generation);

	if (r == 0)
		r = tg_document_decode(bytes, size, &document);
	if (r == 0)
		r = tg_refuse_start(document->exes, document->exe_count);
	if (r == 0) {
		tg_shim.reload_signal = document->reload_signal;
		tg_shim.children_keep = document->children_keep;
		/*
		 * From the first connection on: some servers make their context only then. One that has plaintext sections
		 * is left alone until it makes a context: each read of its would be looked at for nothing.
		 */
		if (tg_route_needs_address(document))
			tg_accepted_want();
		if (tg_route_speaks(document)) {
			tg_descriptors_want();
			r = remember_ports(document);
		} else {
			tg_accepted_serves();
		}
		*ret_concerned = document->exe_count == 0 || tg_program_is_one_of(document->exes, document->exe_count);
	}
	tg_document_free(document);
	tg_cleanse_free(bytes, size);
	return r;
}

static int map_policy(const struct descriptors *from, bool *ret_concerned)
{
	struct tg_report_page *report = NULL;
	const struct tg_policy_header *policy;
	size_t policy_size;
	int r = tg_policy_map(from->policy, &policy, &policy_size);

	if (r != 0)
		return r;
	madvise((void *)(uintptr_t)policy, policy_size, MADV_DONTDUMP);
	r = tg_report_map(from->report, true, &report);
	if (r == 0)
		r = learn(policy, policy_size, ret_concerned);
	if (r == 0 && *ret_concerned) {
		tg_shim.policy = policy;
		tg_shim.policy_size = policy_size;
		tg_shim.report = report;
		return 0;
	}
	if (report)
		tg_report_unmap(report);
	tg_policy_unmap(policy, policy_size);
	return r;
}

static int take_policy(const struct descriptors *from, bool *ret_concerned)
{
	int r = map_policy(from, ret_concerned);

	tg_libc.close(from->policy);
	tg_libc.close(from->report);
	return r;
}

int tg_join(bool at_start, bool *ret_concerned)
{
	const char *tree = tg_environment_value(tg_environment.keeper);
	bool by_hand = !tg_tree_valid(tree);
	char left[TG_TREE_LENGTH + 1] = "";
	struct descriptors taken = {-1, -1};
	int r = by_hand ? -ENOENT : send_hello(tree, &taken);
	bool other_layout = r == -EPROTONOSUPPORT;

	if (other_layout)
		memcpy(left, tree, TG_TREE_LENGTH);
	/* -EPERM: the keeper is gone, and somebody else has taken its name, which anybody may */
	if (r == -ENOENT || r == -ECONNREFUSED || r == -EPROTO || r == -EPERM || other_layout)
		r = start_tree(at_start, by_hand, &taken);
	if (r == 0 && other_layout)
		tg_channel_leave(left, HELLO_TIMEOUT_MS);
	return r == 0 ? take_policy(&taken, ret_concerned) : r;
}

int tg_join_existing(bool *ret_concerned)
{
	const char *tree = tg_environment_value(tg_environment.keeper);
	struct descriptors taken = {-1, -1};
	int r = tg_tree_valid(tree) ? send_hello(tree, &taken) : -ENOENT;

	return r == 0 ? take_policy(&taken, ret_concerned) : r;
}

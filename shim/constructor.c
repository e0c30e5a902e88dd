#include "shim/state.h"

#include "page/channel.h"
#include "page/policy.h"
#include "page/read.h"
#include "page/report.h"
#include "page/tree.h"
#include "shim/environment.h"
#include "shim/libc.h"
#include "shim/process.h"
#include "shim/program.h"
#include "shim/refuse.h"
#include "shim/say.h"
#include "shim/signals.h"
#include "shim/start.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define HELLO_TIMEOUT_MS 5000
#define EXIT_CONFIG 78 /* EX_CONFIG of sysexits.h: what every bad start ends with */

static _Atomic bool begun;
static _Atomic bool decided;

static void close_both(int policy_fd, int report_fd)
{
	close(policy_fd);
	close(report_fd);
}

static bool is_run_target(void)
{
	const char *pid = tg_environment_value(tg_environment.run);

	return pid && strtol(pid, NULL, 10) == (long)getpid();
}

/* `tlsgraft run` waits for a word from what it started, also from a launcher that will neither serve nor listen itself. */
static void report_launcher(void)
{
	const char *tree = tg_environment_value(tg_environment.keeper);
	int policy_fd, report_fd;

	if (tg_tree_valid(tree) && tg_channel_hello(tree, HELLO_TIMEOUT_MS, &policy_fd, &report_fd) == 0)
		close_both(policy_fd, report_fd);
}

/*
 * A new tree: for a program started by hand, which must not start without its policy, and for a child of a tree whose
 * keeper is gone or of another layout, which then fails its handshakes instead.
 */
static int start_tree(bool by_hand, int *ret_policy_fd, int *ret_report_fd)
{
	char tree[TG_TREE_LENGTH + 1];
	int r = tg_environment_settle_config();

	if (r == 0)
		r = tg_start_keeper(tg_environment_value(tg_environment.config), tree);
	if (r == 0)
		r = tg_environment_set_keeper(tree);
	if (r == 0)
		r = tg_channel_hello(tree, HELLO_TIMEOUT_MS, ret_policy_fd, ret_report_fd);
	if (r != 0 && by_hand) {
		if (r < 0)
			tg_say("without its policy %s is not started: %s", program_invocation_short_name, strerror(-r));
		_exit(EXIT_CONFIG);
	}
	return r;
}

static int find_policy(int *ret_policy_fd, int *ret_report_fd)
{
	const char *tree = tg_environment_value(tg_environment.keeper);
	bool by_hand = !tg_tree_valid(tree);
	int r = -ENOENT;

	if (!by_hand)
		r = tg_channel_hello(tree, HELLO_TIMEOUT_MS, ret_policy_fd, ret_report_fd);
	if (r == -ENOENT || r == -ECONNREFUSED || r == -EPROTO)
		r = start_tree(by_hand, ret_policy_fd, ret_report_fd);
	return r;
}

/* What the shim itself needs of the first generation. */
struct facts {
	int reload_signal;
	bool children_keep;
	bool concerned; /* `exe` is absent or names this program */
};

static int learn_facts(const struct tg_policy_header *policy, size_t policy_size, struct facts *ret)
{
	struct tg_document *document = NULL;
	unsigned char *bytes = NULL;
	uint64_t generation;
	size_t size = 0;
	int r = tg_policy_copy(policy, policy_size, &bytes, &size, &generation);

	if (r == 0)
		r = tg_document_decode(bytes, size, &document);
	if (r == 0)
		*ret = (struct facts){
		    .reload_signal = document->reload_signal,
		    .children_keep = document->children_keep,
		    .concerned = document->exe_count == 0 || tg_program_is_one_of(document->exes, document->exe_count),
		};
	if (r == 0)
		r = tg_refuse_start(document->exes, document->exe_count);
	tg_document_free(document);
	tg_cleanse_free(bytes, size);
	return r;
}

static void govern(const struct facts *facts)
{
	madvise((void *)(uintptr_t)tg_shim.policy, tg_shim.policy_size, MADV_DONTDUMP);
	tg_shim.reload_signal = facts->reload_signal;
	tg_shim.children_keep = facts->children_keep;
	tg_environment.drop = !facts->children_keep;
	tg_process_start();
	tg_process_report(0);
	tg_signals_start(tg_shim.reload_signal, tg_shim.report);
	atomic_store_explicit(&tg_shim.state, TG_STATE_GOVERNED, memory_order_release);
}

static int take_policy(int policy_fd, int report_fd)
{
	struct tg_report_page *report = NULL;
	const struct tg_policy_header *policy;
	struct facts facts;
	size_t policy_size;
	int r = tg_policy_map(policy_fd, &policy, &policy_size);

	if (r != 0)
		return r;
	r = tg_report_map(report_fd, true, &report);
	if (r == 0)
		r = learn_facts(policy, policy_size, &facts);
	if (r == 0 && facts.concerned) {
		tg_shim.policy = policy;
		tg_shim.policy_size = policy_size;
		tg_shim.report = report;
		govern(&facts);
		return 0;
	}
	if (report)
		tg_report_unmap(report);
	tg_policy_unmap(policy, policy_size);
	return r;
}

static void close_down(int error)
{
	if (error == -EACCES)
		tg_say("user %d may not have the policy: TLS server handshakes of %s fail", (int)geteuid(),
		       program_invocation_short_name);
	else
		tg_say("no policy (%s): TLS server handshakes of %s fail", error < 0 ? strerror(-error) : "the file is bad",
		       program_invocation_short_name);
	atomic_store_explicit(&tg_shim.state, TG_STATE_CLOSED, memory_order_release);
}

static void decide(void)
{
	int policy_fd, report_fd;
	int r = tg_environment_read();

	tg_libc_bind();
	if (r == -ENOENT)
		return;
	if (!tg_program_can_serve()) {
		if (r == 0 && is_run_target())
			report_launcher();
		return;
	}
	tg_say_start();
	if (r == 0)
		r = find_policy(&policy_fd, &report_fd);
	if (r == 0) {
		r = take_policy(policy_fd, report_fd);
		close_both(policy_fd, report_fd);
	}
	if (r != 0)
		close_down(r);
}

void tg_shim_start(void)
{
	int saved_errno;

	if (atomic_load_explicit(&decided, memory_order_acquire) || atomic_exchange(&begun, true))
		return;
	saved_errno = errno;
	decide();
	atomic_store_explicit(&decided, true, memory_order_release);
	errno = saved_errno;
}

/* Before the constructors of the program's own objects; those of the libraries it needs have run. */
__attribute__((constructor(101))) static void construct(void)
{
	tg_shim_start();
}

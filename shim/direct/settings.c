#include "shim/direct/settings.h"

#include "shim/direct/relayed.h"
#include "shim/libc.h"

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/syscall.h>

#define TRIES 4096 /* turns of other threads, one of which is sending what was collected */

/* Who is at it: a thread's number (gettid(2)), since a signal handler must not wait for the call that it is in. 0: nobody.
 */
static atomic_int holder;

static struct {
	int fd;
	uint64_t cookie; /* of the guest's end that `fd` was */
	size_t count;
	struct tg_relay_setting settings[TG_RELAY_SETTINGS_MAX];
} collected;

static bool hold(void)
{
	const int thread = (int)tg_libc.syscall(SYS_gettid);

	for (int i = 0; i < TRIES; i++) {
		int was = 0;

		if (atomic_compare_exchange_strong(&holder, &was, thread))
			return true;
		if (was == thread)
			return false;
		tg_libc.syscall(SYS_sched_yield);
	}
	return false;
}

static void let_go(void)
{
	atomic_store(&holder, 0);
}

/* Nothing can be done about what does not arrive: the relay is gone, and with it the connection. */
static void send_collected(void)
{
	struct tg_relay_request request = {.magic = TG_RELAY_MAGIC, .layout = TG_LAYOUT, .kind = TG_RELAY_SETTINGS};
	char tree[TG_TREE_LENGTH + 1];
	struct tg_relay_end end;
	int connection;

	/* the number may be another's by now */
	if (collected.count > 0 && tg_relayed_end(collected.fd, &end, tree) && end.cookie == collected.cookie) {
		request.size = (uint32_t)(collected.count * sizeof collected.settings[0]);
		memcpy(request.value, collected.settings, request.size);
		connection = tg_relayed_connect(tree);
		if (connection >= 0) {
			(void)tg_relayed_send(connection, &request, &collected.fd, 1);
			tg_libc.syscall(SYS_close, connection);
		}
	}
	collected.count = 0;
}

static void send_now(void)
{
	const int saved_errno = errno;

	if (hold()) {
		send_collected();
		let_go();
	}
	errno = saved_errno;
}

/* Numbers that the kernel takes as they are: nobody waits for its word on them. */
static bool is_sure(int level, int option, int number)
{
	if (level == SOL_SOCKET)
		return option == SO_KEEPALIVE || option == SO_OOBINLINE || option == SO_REUSEADDR;
	if (level != IPPROTO_TCP)
		return false;
	switch (option) {
	case TCP_KEEPIDLE:
	case TCP_KEEPINTVL:
		return number >= 1 && number <= SHRT_MAX;
	case TCP_KEEPCNT:
		return number >= 1 && number <= SCHAR_MAX;
	default:
		return false;
	}
}

static bool collect(int fd, const struct tg_relay_setting *setting)
{
	char tree[TG_TREE_LENGTH + 1];
	struct tg_relay_end end;

	if (!tg_relayed_end(fd, &end, tree) || !hold())
		return false;
	if (collected.count == TG_RELAY_SETTINGS_MAX || collected.fd != fd || collected.cookie != end.cookie)
		send_collected();
	collected.fd = fd;
	collected.cookie = end.cookie;
	collected.settings[collected.count++] = *setting;
	let_go();
	tg_libc_call_first(send_now);
	return true;
}

bool tg_settings_collect(int fd, int level, int option, const void *value, socklen_t size)
{
	struct tg_relay_setting setting = {.level = level, .option = option};
	const int saved_errno = errno;
	bool taken;

	if (value == NULL || size != sizeof setting.number)
		return false;
	memcpy(&setting.number, value, sizeof setting.number);
	taken = is_sure(level, option, setting.number) && collect(fd, &setting);
	errno = saved_errno;
	return taken;
}

void tg_settings_forget(void)
{
	collected.count = 0;
	let_go();
}

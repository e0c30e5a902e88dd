/* SPDX-License-Identifier: Apache-2.0 */
#include "relay/confine.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LAST_CAPABILITY 63 /* as many as fit; the kernel refuses those that it does not know */

/* Root without capabilities is an ordinary user that owns many files; it stays so over any exec. */
static int drop_capabilities(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	const struct __user_cap_data_struct none[2] = {{0}};

	for (unsigned long capability = 0; capability <= LAST_CAPABILITY; capability++)
		if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) < 0 && errno == EINVAL)
			break;
	prctl(PR_SET_SECUREBITS, SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP, 0, 0, 0);
	return syscall(SYS_capset, &header, none) < 0 ? -errno : 0;
}

int tg_confine(pid_t parent)
{
	const struct rlimit nothing = {0};
	int result = drop_capabilities();

	if (result == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		result = -errno;
	if (result < 0)
		return result;
	setrlimit(RLIMIT_CORE, &nothing);
	/* keys are in here */
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	/* after the change of rights, which takes it off */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return -errno;
	return getppid() == parent ? 0 : -ESRCH;
}

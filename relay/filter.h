/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System calls that the relay makes once it serves; every other one fails with EPERM (seccomp(2)). Whoever finds a hole in
 * what looks at untrusted bytes has the connections, which pass through here anyway, and no more: no file, no program, no
 * other socket, no other process.
 */
#ifndef TG_RELAY_FILTER_H
#define TG_RELAY_FILTER_H

/* For all threads of the process, for good. 0 or a negative errno; -ENOSYS where this machine's calls are not known. */
int tg_filter_install(void);

#endif

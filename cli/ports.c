/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/ports.h"

#include "cli/dial.h"
#include "keeper/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define CONNECTION_MS 2000 /* one TLS connection with its verdict */
#define REQUEST_MS 800     /* one plaintext request */
#define PORT_MS 14000      /* one port with everything */
#define AT_ONCE 16

#define NOBODY 65534

static int ask_tls(const struct tg_address *to, const char *name, struct tg_tls_answer *ret)
{
	const int64_t deadline = tg_monotonic_ms() + CONNECTION_MS;
	const int fd = tg_dial(to, deadline);
	int result;

	if (fd < 0)
		return fd;
	result = tg_probe_tls(fd, name, deadline, ret);
	close(fd);
	return result;
}

static void ask_upgraded(const struct tg_address *to, struct tg_port_answers *answers)
{
	const int64_t deadline = tg_monotonic_ms() + CONNECTION_MS;
	const int fd = tg_plain_upgrade(to, answers->plain.protocol, deadline);

	if (fd < 0)
		return;
	answers->upgraded = tg_probe_tls(fd, NULL, deadline, &answers->inside) == 0;
	close(fd);
}

static void ask_port(const struct tg_port *port, struct tg_port_answers *answers)
{
	const int result = ask_tls(&port->address, NULL, &answers->tls);

	answers->error = -result;
	if (result < 0)
		return;
	switch (answers->tls.kind) {
	case TG_TLS_SERVED:
	case TG_TLS_ALERT:
		for (size_t i = 0; i < port->name_count; i++) {
			if (ask_tls(&port->address, port->names[i], &answers->named[i]) < 0)
				break;
			answers->named_count = i + 1;
		}
		tg_probe_beside(&port->address, REQUEST_MS, &answers->plain);
		break;
	default:
		tg_probe_plain(&port->address, REQUEST_MS, &answers->plain);
	}
	if (answers->plain.upgrades)
		ask_upgraded(&port->address, answers);
}

/* Into the network namespace of `member`, where that is another one. 0 or a negative errno. */
static int enter_network(pid_t member)
{
	char path[64];
	int fd;
	int result;

	snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)member);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	result = setns(fd, CLONE_NEWNET) < 0 ? -errno : 0;
	close(fd);
	/* only root may, and whoever is not root looks at processes of its own namespaces */
	return result == -EPERM && geteuid() != 0 ? 0 : result;
}

/* Servers that nobody vouches for speak to this process. */
static void give_up_rights(void)
{
	if (geteuid() == 0 &&
	    (setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 || setresuid(NOBODY, NOBODY, NOBODY) < 0))
		_exit(1);
}

static pid_t start(const struct tg_port *port, int *ret_fd)
{
	int ends[2];
	pid_t child;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -1;
	child = fork();
	if (child == 0) {
		struct tg_port_answers answers = {0};
		int result = enter_network(port->member);

		give_up_rights();
		if (result < 0)
			answers.error = -result;
		else
			ask_port(port, &answers);
		result = write(ends[1], &answers, sizeof(answers)) == (ssize_t)sizeof(answers) ? 0 : 1;
		_exit(result);
	}
	close(ends[1]);
	if (child < 0) {
		close(ends[0]);
		return -1;
	}
	*ret_fd = ends[0];
	return child;
}

static void make_safe_answer(struct tg_tls_answer *answer)
{
	answer->sha256[sizeof(answer->sha256) - 1] = '\0';
	answer->sample[sizeof(answer->sample) - 1] = '\0';
}

/* Who spoke to a server may have been taken over by it. */
static void make_safe(struct tg_port_answers *answers)
{
	if (answers->named_count > TG_PORT_NAMES)
		answers->named_count = TG_PORT_NAMES;
	make_safe_answer(&answers->tls);
	make_safe_answer(&answers->inside);
	for (size_t i = 0; i < answers->named_count; i++)
		make_safe_answer(&answers->named[i]);
	answers->plain.sample[sizeof(answers->plain.sample) - 1] = '\0';
}

/* Waits for one answer until the deadline; the child is gone afterwards. */
static void finish(pid_t child, int fd, int64_t deadline, struct tg_port_answers *ret)
{
	struct pollfd ready = {.fd = fd, .events = POLLIN};
	int count;

	do {
		const int64_t left = deadline - tg_monotonic_ms();

		count = poll(&ready, 1, left > 0 ? (int)left : 0);
	} while (count < 0 && errno == EINTR);
	/* smaller than a pipe's atomic unit (PIPE_BUF), so it comes whole */
	if (count <= 0 || read(fd, ret, sizeof(*ret)) != (ssize_t)sizeof(*ret))
		*ret = (struct tg_port_answers){.error = ETIMEDOUT};
	make_safe(ret);
	kill(child, SIGKILL);
	while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
		;
	close(fd);
}

int tg_ports_ask(struct tg_port *ports, size_t count)
{
	_Static_assert(sizeof(struct tg_port_answers) <= 4096, "PIPE_BUF");
	int result = 0;

	fflush(stdout);
	for (size_t from = 0; from < count && result == 0; from += AT_ONCE) {
		const size_t to = from + AT_ONCE < count ? from + AT_ONCE : count;
		const int64_t deadline = tg_monotonic_ms() + PORT_MS;
		pid_t children[AT_ONCE];
		int fds[AT_ONCE];

		for (size_t i = from; i < to; i++) {
			children[i - from] = start(&ports[i], &fds[i - from]);
			if (children[i - from] < 0)
				result = -errno;
		}
		for (size_t i = from; i < to; i++)
			if (children[i - from] > 0)
				finish(children[i - from], fds[i - from], deadline, &ports[i].answers);
	}
	return result;
}

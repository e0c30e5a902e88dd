/* SPDX-License-Identifier: Apache-2.0 */
#include "ipc/listener.h"

#include "ipc/calls.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define STATE_LISTEN 10 /* TCP_LISTEN of the kernel's tcp_states.h, for UNIX sockets too */

struct wanted {
	int type;
	const char *name;
	size_t size;
	uid_t owner;
};

static int send_request(int fd)
{
	struct {
		struct nlmsghdr head;
		struct unix_diag_req request;
	} question = {
	    .head = {.nlmsg_len = sizeof(question),
		     .nlmsg_type = SOCK_DIAG_BY_FAMILY,
		     .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
	    .request = {.sdiag_family = AF_UNIX,
			.udiag_states = 1u << STATE_LISTEN,
			.udiag_show = UDIAG_SHOW_NAME | UDIAG_SHOW_UID},
	};
	struct iovec part = {.iov_base = &question, .iov_len = sizeof(question)};
	const struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

	return tg_call_sendmsg(fd, &message, 0) < 0 ? -errno : 0;
}

/* True where this socket is the wanted one and its owner is told. */
static int is_wanted(struct nlmsghdr *head, struct wanted *wanted)
{
	struct unix_diag_msg *socket = NLMSG_DATA(head);
	struct rtattr *attribute = (struct rtattr *)(socket + 1);
	int left = (int)head->nlmsg_len - (int)NLMSG_LENGTH(sizeof(*socket));
	int named = 0, owned = 0;

	for (; RTA_OK(attribute, left); attribute = RTA_NEXT(attribute, left)) {
		const size_t size = RTA_PAYLOAD(attribute);

		if (attribute->rta_type == UNIX_DIAG_NAME)
			named = size == wanted->size && memcmp(RTA_DATA(attribute), wanted->name, size) == 0;
		if (attribute->rta_type == UNIX_DIAG_UID && size == sizeof(wanted->owner)) {
			memcpy(&wanted->owner, RTA_DATA(attribute), size);
			owned = 1;
		}
	}
	return socket->udiag_type == wanted->type && named && owned;
}

/* 1: found; 0: there is more to come; or a negative errno. Nothing is written, but netlink(3)'s macros are for what can be.
 */
static int look_through(char *bytes, size_t size, struct wanted *wanted)
{
	struct nlmsghdr *head = (struct nlmsghdr *)(void *)bytes;
	uint32_t left = (uint32_t)size;

	for (; NLMSG_OK(head, left); head = NLMSG_NEXT(head, left)) {
		if (head->nlmsg_type == NLMSG_DONE)
			return -ENOENT;
		if (head->nlmsg_type == NLMSG_ERROR)
			return -EOPNOTSUPP;
		if (head->nlmsg_type == SOCK_DIAG_BY_FAMILY &&
		    head->nlmsg_len >= NLMSG_LENGTH(sizeof(struct unix_diag_msg)) && is_wanted(head, wanted))
			return 1;
	}
	return 0;
}

int tg_listener_owner(int type, const char *name, size_t size, uid_t *ret)
{
	_Alignas(struct nlmsghdr) char bytes[16384];
	struct wanted wanted = {.type = type, .name = name, .size = size};
	struct iovec part = {.iov_base = bytes, .iov_len = sizeof(bytes)};
	const int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	int result;

	if (fd < 0)
		return -errno;
	result = send_request(fd);
	while (result == 0) {
		struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
		const ssize_t got = tg_call_recvmsg(fd, &message, 0);

		if (got < 0 && errno == EINTR)
			continue;
		result = got < 0 ? -errno : got == 0 ? -EPIPE : look_through(bytes, (size_t)got, &wanted);
	}
	tg_call_close(fd);
	if (result < 0)
		return result;
	*ret = wanted.owner;
	return 0;
}

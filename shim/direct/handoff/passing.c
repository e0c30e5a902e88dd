/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/direct/handoff/passing.h"

#include "shim/binding/libc.h"
#include "shim/direct/descriptors/descriptors.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#define CONTROL_MAX 8192 /* more than the kernel takes: SCM_MAX_FD is 253 */

struct walk {
	struct msghdr *message;
	struct cmsghdr *part;
	size_t at; /* in its data */
};

/* The next descriptor's place, or NULL. */
static unsigned char *next(struct walk *walk)
{
	while (walk->part != NULL) {
		struct cmsghdr *part = walk->part;
		if (part->cmsg_level == SOL_SOCKET && part->cmsg_type == SCM_RIGHTS &&
		    CMSG_LEN(walk->at) + sizeof(int) <= part->cmsg_len) {
			walk->at += sizeof(int);
			return CMSG_DATA(part) + walk->at - sizeof(int);
		}
		walk->part = CMSG_NXTHDR(walk->message, part);
		walk->at = 0;
	}
	return NULL;
}

static struct walk begin_walk(struct msghdr *message)
{
	return (struct walk){.message = message, .part = CMSG_FIRSTHDR(message)};
}

static int number_in(const unsigned char *place)
{
	int fd;

	memcpy(&fd, place, sizeof(fd));
	return fd;
}

bool tg_passing_is_one(const struct msghdr *message)
{
	struct msghdr copy = *message;
	struct walk walk = begin_walk(&copy);

	for (const unsigned char *place = next(&walk); place != NULL; place = next(&walk))
		if (tg_descriptors_is_one(number_in(place)))
			return true;
	return false;
}

ssize_t tg_passing_send(int fd, const struct msghdr *message, int flags)
{
	_Alignas(struct cmsghdr) unsigned char control[CONTROL_MAX];
	struct msghdr copy = *message;
	int end = -1;

	if (message->msg_controllen > sizeof(control)) {
		errno = EINVAL;
		return -1;
	}
	memcpy(control, message->msg_control, message->msg_controllen);
	copy.msg_control = control;
	struct walk walk = begin_walk(&copy);
	for (unsigned char *place = next(&walk); place != NULL; place = next(&walk)) {
		if (!tg_descriptors_must_not_cross(number_in(place)))
			continue;
		if (end < 0)
			end = tg_dead_end();
		if (end < 0)
			return -1;
		memcpy(place, &end, sizeof(end));
	}
	ssize_t r = tg_libc.sendmsg(fd, &copy, flags);
	int saved = errno;
	if (end >= 0)
		tg_libc.close(end);
	errno = saved;
	return r;
}

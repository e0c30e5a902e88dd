/* SPDX-License-Identifier: Apache-2.0 */
#include "keeper/link.h"

#include "ipc/channel.h"

#include <errno.h>
#include <unistd.h>

int tg_link_send(int fd, const struct tg_link_message *message, const int *fds, int fd_count)
{
	const ssize_t sent = tg_channel_send(fd, message, sizeof(*message), fds, fd_count);

	return sent < 0 ? (int)sent : 0;
}

int tg_link_ask_relay(int fd, const struct tg_document *document)
{
	struct tg_link_message message = {.kind = TG_LINK_RELAY};

	for (size_t i = 0; i < document->route_count; i++)
		if (document->routes[i].plaintext.terminated)
			message.value = 1;
	return tg_link_send(fd, &message, NULL, 0);
}

int tg_link_receive(int fd, struct tg_link_message *ret, int ret_fds[2])
{
	const ssize_t size = tg_channel_receive(fd, ret, sizeof(*ret), ret_fds, 2);

	if (size == (ssize_t)sizeof(*ret))
		return 1;
	for (int i = 0; i < 2 && size >= 0; i++)
		if (ret_fds[i] >= 0)
			close(ret_fds[i]);
	if (size == 0)
		return 0;
	return size < 0 ? (int)size : -EPROTO;
}

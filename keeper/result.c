/* SPDX-License-Identifier: Apache-2.0 */
#include "keeper/keeper.h"

#include "ipc/channel.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static void write_all(int fd, const void *data, size_t size)
{
	const char *at = data;

	/* a starter that is gone needs no answer: its tree ends by itself */
	while (size > 0) {
		const ssize_t written = write(fd, at, size);

		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
			return;
		at += written;
		size -= (size_t)written;
	}
}

void tg_keeper_result(struct tg_keeper *keeper, int exit_status, const char *text)
{
	struct tg_start_result result = {
	    .magic = TG_CHANNEL_MAGIC, .exit_status = (uint32_t)exit_status, .length = (uint32_t)strlen(text)};

	if (keeper->result_fd < 0)
		return;
	memcpy(result.tree, keeper->tree, sizeof(result.tree));
	write_all(keeper->result_fd, &result, sizeof(result));
	write_all(keeper->result_fd, text, strlen(text));
	close(keeper->result_fd);
	keeper->result_fd = -1;
}

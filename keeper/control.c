/* SPDX-License-Identifier: Apache-2.0 */
#include "keeper/control.h"

#include "ipc/channel.h"
#include "ipc/untrusted_fd.h"
#include "keeper/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define READER_MS 5000 /* for one packet */

static void drop(struct tg_control *control, size_t index)
{
	struct tg_conversation *conversation = &control->conversations[index];

	tg_untrusted_fd_close(conversation->fd);
	free(conversation->answer);
	control->count--;
	memmove(conversation, conversation + 1, (control->count - index) * sizeof(*conversation));
}

static void give(struct tg_conversation *conversation, char *answer)
{
	conversation->answer = answer;
	conversation->size = strlen(answer);
	conversation->deadline = tg_monotonic_ms() + READER_MS;
}

void tg_control_add(struct tg_control *control, int fd, char *answer)
{
	struct tg_conversation conversation = {.fd = fd};

	if (control->count == TG_CONTROL_MAX)
		drop(control, 0);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	if (answer != NULL)
		give(&conversation, answer);
	control->conversations[control->count++] = conversation;
}

void tg_control_answer_waiting(struct tg_control *control, const char *answer)
{
	for (size_t i = control->count; i-- > 0;) {
		char *copy;

		if (control->conversations[i].answer != NULL)
			continue;
		copy = strdup(answer);
		if (copy != NULL)
			give(&control->conversations[i], copy);
		else
			drop(control, i);
	}
}

void tg_control_fill(const struct tg_control *control, struct pollfd *polls)
{
	for (size_t i = 0; i < control->count; i++)
		polls[i] = (struct pollfd){.fd = control->conversations[i].fd,
					   .events = control->conversations[i].answer == NULL ? 0 : POLLOUT};
}

/* True once the conversation is over. */
static bool write_some(struct tg_conversation *conversation)
{
	while (conversation->sent < conversation->size) {
		const size_t left = conversation->size - conversation->sent;
		const ssize_t sent = tg_channel_send(conversation->fd, conversation->answer + conversation->sent,
						     left < TG_CHANNEL_PACKET ? left : TG_CHANNEL_PACKET, NULL, 0);

		if (sent == -EAGAIN)
			return tg_monotonic_ms() >= conversation->deadline;
		if (sent <= 0)
			return true;
		conversation->sent += (size_t)sent;
		conversation->deadline = tg_monotonic_ms() + READER_MS;
	}
	return true;
}

void tg_control_run(struct tg_control *control)
{
	for (size_t i = control->count; i-- > 0;) {
		struct tg_conversation *conversation = &control->conversations[i];
		struct pollfd gone = {.fd = conversation->fd};

		if (conversation->answer != NULL ? write_some(conversation)
						 : poll(&gone, 1, 0) == 1 && (gone.revents & (POLLHUP | POLLERR)) != 0)
			drop(control, i);
	}
}

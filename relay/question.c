#include "relay/question.h"

#include "page/stranger.h"
#include "relay/listed.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#define AGAIN_MS 5
#define TRIES 100

struct question {
	struct tg_timed timed; /* first: buried by it */
	struct tg_loop *loop;
	int fd, guest;
	int tries;
	struct tg_relay_request request;
};

static int try(int guest, const struct tg_relay_request *request, struct tg_relay_answer *answer)
{
	socklen_t size = sizeof(uint64_t);
	uint64_t cookie = 0;
	int result;

	if (getsockopt(guest, SOL_SOCKET, SO_COOKIE, &cookie, &size) < 0)
		return -errno;
	if (request->kind == TG_RELAY_SET)
		return tg_listed_set(cookie, request->level, request->option, request->value, request->size);
	size = request->size;
	result = tg_listed_get(cookie, request->level, request->option, answer->value, &size);
	answer->size = result == 0 && size <= sizeof(answer->value) ? size : 0;
	return result;
}

/* The connection has ended: the other end of the guest's is closed. */
static bool is_over(int guest)
{
	struct pollfd end = {.fd = guest};

	return poll(&end, 1, 0) == 1 && (end.revents & (POLLHUP | POLLERR | POLLNVAL)) != 0;
}

/* False: the connection is on its way, in another thread, and not listed yet. */
static bool answer(int fd, int guest, const struct tg_relay_request *request, bool last)
{
	struct tg_relay_answer reply = {.magic = TG_RELAY_MAGIC};

	reply.result = try(guest, request, &reply);
	if (reply.result == -ENOENT && !last && !is_over(guest))
		return false;
	if (reply.result == -ENOENT)
		reply.result = -ENOTCONN;
	send(fd, &reply, sizeof(reply), MSG_DONTWAIT | MSG_NOSIGNAL);
	tg_stranger_hang_up(fd);
	tg_stranger_close(guest);
	return true;
}

static void due(struct tg_timed *timed)
{
	struct question *question = (struct question *)(void *)timed;
	struct tg_loop *loop = question->loop;

	if (answer(question->fd, question->guest, &question->request, ++question->tries == TRIES))
		tg_loop_bury(loop, timed);
	else
		tg_loop_time(loop, timed, tg_loop_now() + AGAIN_MS);
}

void tg_question_ask(struct tg_loop *loop, int fd, int guest, const struct tg_relay_request *request, bool later)
{
	struct question *question;

	if (!later && answer(fd, guest, request, false))
		return;
	question = calloc(1, sizeof(*question));
	if (question == NULL) {
		answer(fd, guest, request, true);
		return;
	}
	question->timed.due = due;
	question->loop = loop;
	question->fd = fd;
	question->guest = guest;
	question->request = *request;
	tg_loop_time(loop, &question->timed, tg_loop_now() + AGAIN_MS);
}

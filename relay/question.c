#include "relay/question.h"

#include "relay/listed.h"

#include <errno.h>
#include <string.h>

static int cookie_of(int guest, uint64_t *ret)
{
	socklen_t size = sizeof(*ret);

	return getsockopt(guest, SOL_SOCKET, SO_COOKIE, ret, &size) < 0 ? -errno : 0;
}

static int try(int guest, const struct tg_relay_request *request, struct tg_relay_answer *answer)
{
	socklen_t size;
	uint64_t cookie;
	int result = cookie_of(guest, &cookie);

	if (result < 0)
		return result;
	if (request->kind == TG_RELAY_SET)
		return tg_listed_set(cookie, request->level, request->option, request->value, request->size);
	size = request->size;
	result = tg_listed_get(cookie, request->level, request->option, answer->value, &size);
	answer->size = result == 0 && size <= sizeof(answer->value) ? size : 0;
	return result;
}

void tg_question_answer(int fd, int guest, const struct tg_relay_request *request)
{
	struct tg_relay_answer answer = {.magic = TG_RELAY_MAGIC};

	answer.result = try(guest, request, &answer);
	/* it has ended: a guest has none before it was given away, and that was heard before (relay/requests.c) */
	if (answer.result == -ENOENT)
		answer.result = -ENOTCONN;
	send(fd, &answer, sizeof(answer), MSG_DONTWAIT | MSG_NOSIGNAL);
}

void tg_question_set(int guest, const struct tg_relay_request *request)
{
	struct tg_relay_setting settings[TG_RELAY_SETTINGS_MAX];
	const size_t count = request->size / sizeof(settings[0]);
	uint64_t cookie;

	if (cookie_of(guest, &cookie) < 0)
		return;
	memcpy(settings, request->value, request->size);
	for (size_t i = 0; i < count; i++)
		tg_listed_set(cookie, settings[i].level, settings[i].option, &settings[i].number,
			      sizeof(settings[i].number));
}

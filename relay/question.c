/* SPDX-License-Identifier: Apache-2.0 */
#include "relay/question.h"

#include "relay/listed.h"

#include <errno.h>

static int try(int end, const struct tg_relay_request *request, struct tg_relay_answer *answer)
{
	socklen_t size = sizeof(uint64_t);
	uint64_t cookie = 0;
	int result;

	if (getsockopt(end, SOL_SOCKET, SO_COOKIE, &cookie, &size) < 0)
		return -errno;
	if (request->kind == TG_RELAY_SET)
		return tg_listed_set(cookie, request->level, request->option, request->value, request->size);
	size = request->size;
	result = tg_listed_get(cookie, request->level, request->option, answer->value, &size);
	answer->size = result == 0 && size <= sizeof(answer->value) ? size : 0;
	return result;
}

bool tg_question_answer(int fd, int end, const struct tg_relay_request *request)
{
	struct tg_relay_answer answer = {.magic = TG_RELAY_MAGIC};

	answer.result = try(end, request, &answer);
	/* it has ended: an attached process has none before it was given away, and that was heard before (relay/requests.c)
	 */
	if (answer.result == -ENOENT)
		answer.result = -ENOTCONN;
	send(fd, &answer, sizeof(answer), MSG_DONTWAIT | MSG_NOSIGNAL);
	/* everything else may have failed before it was looked for */
	return answer.result == 0;
}

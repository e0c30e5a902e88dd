/* SPDX-License-Identifier: Apache-2.0 */
#include "relay/listed.h"

#include "relay/options.h"

#include <errno.h>
#include <pthread.h>

#define CHAINS 16384u

static struct tg_listed *chains[CHAINS];
static size_t count;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* Cookies are given out in steps, for each processor its own row. */
static struct tg_listed **chain_of(uint64_t cookie)
{
	return &chains[(cookie * 0x9e3779b97f4a7c15u) >> 50 & (CHAINS - 1)];
}

static struct tg_listed *find_listed(uint64_t cookie)
{
	struct tg_listed *listed = *chain_of(cookie);

	while (listed != NULL && listed->cookie != cookie)
		listed = listed->next;
	return listed;
}

bool tg_listed_add(struct tg_listed *listed)
{
	struct tg_listed **chain = chain_of(listed->cookie);
	bool is_new;

	pthread_mutex_lock(&lock);
	is_new = find_listed(listed->cookie) == NULL;
	if (is_new) {
		listed->next = *chain;
		*chain = listed;
		count++;
	}
	pthread_mutex_unlock(&lock);
	return is_new;
}

void tg_listed_remove(struct tg_listed *listed)
{
	struct tg_listed **place = chain_of(listed->cookie);

	pthread_mutex_lock(&lock);
	while (*place != NULL && *place != listed)
		place = &(*place)->next;
	if (*place != NULL) {
		*place = listed->next;
		count--;
	}
	pthread_mutex_unlock(&lock);
}

size_t tg_listed_count(void)
{
	size_t now;

	pthread_mutex_lock(&lock);
	now = count;
	pthread_mutex_unlock(&lock);
	return now;
}

/* The calls do not wait; the lock keeps the socket open meanwhile. */
int tg_listed_get(uint64_t cookie, int level, int option, void *value, socklen_t *size)
{
	const struct tg_listed *listed;
	int result = -ENOENT;

	if (!tg_option_may_get(level, option))
		return -ENOPROTOOPT;
	pthread_mutex_lock(&lock);
	listed = find_listed(cookie);
	if (listed != NULL)
		result = getsockopt(listed->real, level, option, value, size) < 0 ? -errno : 0;
	pthread_mutex_unlock(&lock);
	return result;
}

int tg_listed_set(uint64_t cookie, int level, int option, const void *value, socklen_t size)
{
	const struct tg_listed *listed;
	int result = -ENOENT;

	if (!tg_option_may_set(level, option))
		return -ENOPROTOOPT;
	pthread_mutex_lock(&lock);
	listed = find_listed(cookie);
	if (listed != NULL)
		result = setsockopt(listed->real, level, option, value, size) < 0 ? -errno : 0;
	pthread_mutex_unlock(&lock);
	return result;
}

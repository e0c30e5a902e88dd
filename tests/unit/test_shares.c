/* SPDX-License-Identifier: Apache-2.0 */
/* Who has to go where a table is full. */
#include "ipc/shares.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>

#define MANY 300

static unsigned char key[TG_SIPHASH_KEY_SIZE] = "not a secret";

static struct sockaddr_storage peer(const char *text)
{
	struct sockaddr_storage made = {0};
	struct sockaddr_in *four = (struct sockaddr_in *)&made;
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)&made;

	if (inet_pton(AF_INET, text, &four->sin_addr) == 1)
		made.ss_family = AF_INET;
	else if (inet_pton(AF_INET6, text, &six->sin6_addr) == 1)
		made.ss_family = AF_INET6;
	return made;
}

static uint32_t share(const char *text)
{
	const struct sockaddr_storage made = peer(text);

	return tg_share_of_peer(&made, key);
}

static void whose(void **state)
{
	(void)state;
	assert_int_equal(share("192.0.2.1"), share("::ffff:192.0.2.1"));
	assert_int_not_equal(share("192.0.2.1"), share("192.0.2.2"));
	assert_int_equal(share("2001:db8:1:2::1"), share("2001:db8:1:2:ffff::"));
	assert_int_not_equal(share("2001:db8:1:2::1"), share("2001:db8:1:3::1"));
	assert_int_not_equal(tg_share_of_user(0, key), tg_share_of_user(1000, key));
	assert_in_range(tg_share_of_user(UINT32_MAX, key), 0, TG_SHARES - 1);
}

/* The key decides who meets whom. */
static void not_foreseen(void **state)
{
	const struct sockaddr_storage first = peer("192.0.2.1"), second = peer("198.51.100.7");
	int met = 0;
	(void)state;

	for (int i = 0; i < 100000; i++) {
		key[i % 16]++;
		met += tg_share_of_peer(&first, key) == tg_share_of_peer(&second, key);
	}
	assert_in_range(met, 20, 500);
}

static void oldest_of_the_most(void **state)
{
	static struct tg_shares shares;
	struct tg_share_entry crowd[MANY], single, pair[2];
	(void)state;

	assert_null(tg_shares_next_to_go(&shares));
	tg_shares_add(&shares, &single, 7);
	assert_ptr_equal(tg_shares_next_to_go(&shares), &single);
	tg_shares_add(&shares, &pair[0], 1023);
	/* among equals the oldest */
	assert_ptr_equal(tg_shares_next_to_go(&shares), &single);
	for (int i = 0; i < MANY; i++)
		tg_shares_add(&shares, &crowd[i], 500);
	tg_shares_add(&shares, &pair[1], 1023);
	assert_int_equal(shares.count, MANY + 3);
	/* from the middle, and from both ends */
	tg_shares_remove(&shares, &crowd[5]);
	tg_shares_remove(&shares, &crowd[MANY - 1]);
	for (int i = 0; i < MANY - 3; i++) {
		if (i == 5)
			continue;
		assert_ptr_equal(tg_shares_next_to_go(&shares), &crowd[i]);
		tg_shares_remove(&shares, &crowd[i]);
	}
	assert_ptr_equal(tg_shares_next_to_go(&shares), &pair[0]);
	tg_shares_remove(&shares, &pair[0]);
	assert_ptr_equal(tg_shares_next_to_go(&shares), &crowd[MANY - 3]);
	tg_shares_remove(&shares, &crowd[MANY - 3]);
	assert_ptr_equal(tg_shares_next_to_go(&shares), &single);
	tg_shares_remove(&shares, &single);
	assert_ptr_equal(tg_shares_next_to_go(&shares), &crowd[MANY - 2]);
	tg_shares_remove(&shares, &crowd[MANY - 2]);
	tg_shares_remove(&shares, &pair[1]);
	assert_int_equal(shares.count, 0);
	assert_null(tg_shares_next_to_go(&shares));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(whose),
	    cmocka_unit_test(not_foreseen),
	    cmocka_unit_test(oldest_of_the_most),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

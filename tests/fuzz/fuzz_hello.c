/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reader of a client's first bytes: however they are cut into reads, the result is the same.
 */
#include "shim/connections/hello.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tg_hello whole = {0}, cut = {0};
	enum tg_hello_result expected, result = TG_HELLO_MORE;

	if (size < 1)
		return 0;
	size_t step = 1 + data[0] % 40;
	data++, size--;
	expected = tg_hello_feed(&whole, data, size);
	for (size_t at = 0; at < size && result == TG_HELLO_MORE; at += step)
		result = tg_hello_feed(&cut, data + at, size - at < step ? size - at : step);
	if (result != expected)
		abort();
	if (result == TG_HELLO_COMPLETE && memcmp(whole.head, cut.head, TG_HELLO_HEAD) != 0)
		abort();
	return 0;
}

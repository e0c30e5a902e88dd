/* SPDX-License-Identifier: Apache-2.0 */
#include "ipc/alpn.h"

#include <string.h>

bool tg_alpn_is_list(struct tg_span list)
{
	size_t at = 0;

	while (at < list.size) {
		const size_t size = list.data[at];

		if (size == 0 || size > list.size - at - 1)
			return false;
		at += 1 + size;
	}
	return list.size > 0 && list.size <= TG_ALPN_LIST_MAX;
}

bool tg_alpn_next(struct tg_span list, size_t *at, struct tg_span *ret_name)
{
	if (*at >= list.size)
		return false;
	*ret_name = (struct tg_span){list.data + *at + 1, list.data[*at]};
	*at += 1 + ret_name->size;
	return true;
}

bool tg_alpn_holds(struct tg_span list, struct tg_span name)
{
	struct tg_span other;
	size_t at = 0;

	while (tg_alpn_next(list, &at, &other))
		if (other.size == name.size && memcmp(other.data, name.data, name.size) == 0)
			return true;
	return false;
}

bool tg_alpn_select(struct tg_span ours, struct tg_span theirs, struct tg_span *ret_name)
{
	struct tg_span name;
	size_t at = 0;

	if (!tg_alpn_is_list(theirs))
		return false;
	while (tg_alpn_next(ours, &at, &name)) {
		if (!tg_alpn_holds(theirs, name))
			continue;
		*ret_name = name;
		return true;
	}
	return false;
}

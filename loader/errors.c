/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/errors.h"

#include <openssl/err.h>

#include <stdlib.h>
#include <string.h>

static char *copy(const char *text)
{
	return text && *text != '\0' ? strdup(text) : NULL;
}

void tg_errors_take(struct tg_errors *ret)
{
	const char *file, *function, *data;
	unsigned long code;
	int line, flags;

	*ret = (struct tg_errors){.count = 0};
	while (ret->count < TG_ERRORS_MAX && (code = ERR_get_error_all(&file, &line, &function, &data, &flags)) != 0) {
		ret->items[ret->count].code = code;
		ret->items[ret->count].line = line;
		ret->items[ret->count].file = copy(file);
		ret->items[ret->count].function = copy(function);
		ret->items[ret->count].data = flags & ERR_TXT_STRING ? copy(data) : NULL;
		ret->count++;
	}
}

void tg_errors_restore(struct tg_errors *errors)
{
	ERR_clear_error();
	for (int i = 0; i < errors->count; i++) {
		const unsigned long code = errors->items[i].code;
		char *data = errors->items[i].data;

		ERR_new();
		ERR_set_debug(errors->items[i].file, errors->items[i].line, errors->items[i].function);
		ERR_set_error(ERR_GET_LIB(code), ERR_GET_REASON(code), data ? "%s" : NULL, data);
		free(errors->items[i].file);
		free(errors->items[i].function);
		free(data);
	}
	errors->count = 0;
}

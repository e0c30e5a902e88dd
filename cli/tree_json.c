/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/tree_json.h"

#include "cli/ask.h"
#include "cli/orphan.h"
#include "cli/text.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define ANSWER_MS 5000
#define AGAIN_MS 50
#define AGAIN_TIMES 20 /* a worker that died is back within a second */

cJSON *tg_tree_json(const struct tg_found *found, int *ret_error)
{
	cJSON *object = NULL;
	char *text;
	int result;

	for (int i = 0;; i++) {
		result = tg_ask(found->tree, found->member, TG_REQUEST_STATUS, ANSWER_MS, &text);
		if (result != -ECONNRESET || i == AGAIN_TIMES)
			break;
		usleep(AGAIN_MS * 1000);
	}
	if (result == 0) {
		object = cJSON_Parse(text);
		tg_text_clean(object);
		free(text);
		if (object == NULL)
			result = -EBADMSG;
	} else if (result == -ECONNREFUSED || result == -ENOENT) {
		object = tg_orphan_json(found->tree);
	}
	*ret_error = object != NULL ? 0 : result;
	return object;
}

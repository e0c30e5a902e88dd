/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/policy/conf.h"

#include "shim/policy/table.h"

#include <errno.h>
#include <stdlib.h>

struct target {
	struct tg_entry entry;
	const SSL *ssl;
};

static struct tg_table targets = TG_TABLE_INITIALIZER(struct target, CONF);

int tg_conf_set(const SSL_CONF_CTX *conf, const SSL *ssl)
{
	if (ssl == NULL) {
		tg_conf_forget(conf);
		return 0;
	}
	struct target *target = tg_table_get(&targets, conf);
	if (target == NULL)
		return -ENOMEM;
	target->ssl = ssl;
	return 0;
}

/* The entry lives as long as `conf`, which only one thread uses at a time (SSL_CONF_CTX has no lock of its own). */
const SSL *tg_conf_ssl(const SSL_CONF_CTX *conf)
{
	const struct target *target = tg_table_find(&targets, conf);

	return target == NULL ? NULL : target->ssl;
}

void tg_conf_forget(const SSL_CONF_CTX *conf)
{
	free(tg_table_take(&targets, conf));
}

void tg_conf_lock(void)
{
	tg_table_lock_all(&targets);
}

void tg_conf_unlock(void)
{
	tg_table_unlock_all(&targets);
}

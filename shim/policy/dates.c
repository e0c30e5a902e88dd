/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/policy/dates.h"

#include <time.h>

bool tg_date_read(const ASN1_TIME *time, int64_t *ret_seconds)
{
	struct tm parts;

	if (tg_openssl()->ASN1_TIME_to_tm(time, &parts) != 1)
		return false;
	*ret_seconds = timegm(&parts);
	return true;
}

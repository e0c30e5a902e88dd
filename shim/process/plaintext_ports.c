/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/process/plaintext_ports.h"

#include "shim/process/environment.h"

#include <stddef.h>

bool tg_plaintext_ports_any(void)
{
	return tg_environment.plaintext != NULL || tg_environment.keeper == NULL;
}

bool tg_plaintext_ports_has(uint16_t port)
{
	return tg_environment.plaintext == NULL || tg_environment_is_plaintext(port);
}

#include "shim/state.h"

struct tg_shim tg_shim;

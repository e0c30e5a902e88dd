#include "situations.h"

const struct single singles_polling[] = {
    {0},
};

#include "situations.h"

const struct single singles_calls[] = {
    {0},
};

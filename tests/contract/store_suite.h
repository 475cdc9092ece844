#ifndef VIV_TESTS_CONTRACT_STORE_SUITE_H
#define VIV_TESTS_CONTRACT_STORE_SUITE_H

#include "tests/support/store_world.h"

#include "config.h"

/* Stamps every scenario out for every registered configuration. A test file defines VIV_SCENARIOS(S, ...) as a list of
 * S(scenario, ...) and stamps it with the registry's list; a scenario is a function that takes a world. The suite's
 * name is the pairing: contract_<log>_<state>. */

#define VIV_STAMP(scenario, name, log, state)                                                                          \
    VIV_TEST(contract_##log##_##state, scenario)                                                                       \
    {                                                                                                                  \
        struct world world;                                                                                            \
        world_init(&world, viv_configuration_find(name));                                                              \
        scenario(&world);                                                                                              \
        world_fini(&world);                                                                                            \
    }

#endif /* VIV_TESTS_CONTRACT_STORE_SUITE_H */

// count_instructions.cpp - plugin of qemu: prints how many instructions were executed.
//
// For the qemu-user of Debian 12 (7.2): that of later ones is linked statically and takes no
// plugins. No package ships qemu's header; declared here is what this needs of version 1 of its
// interface. A block of instructions is counted when it is entered; threads that count at the same
// time may lose a block, so what is counted should run on one.

#include <cinttypes>
#include <cstddef>
#include <cstdint>
#include <cstdio>

namespace {

std::uint64_t counted = 0;

}

extern "C" {

using PluginId = std::uint64_t;
struct Block;
struct Info;

std::size_t qemu_plugin_tb_n_insns(const Block *block);
void qemu_plugin_register_vcpu_tb_trans_cb(PluginId id, void (*translated)(PluginId, Block *));
void qemu_plugin_register_vcpu_tb_exec_inline(Block *block, int operation, void *to,
                                              std::uint64_t number);
void qemu_plugin_register_atexit_cb(PluginId id, void (*ended)(PluginId, void *), void *data);

extern __attribute__((visibility("default"))) int qemu_plugin_version;
int qemu_plugin_version = 1;

__attribute__((visibility("default"))) int qemu_plugin_install(PluginId id, const Info *, int,
                                                               char **) {
    constexpr int add = 0;
    qemu_plugin_register_vcpu_tb_trans_cb(id, [](PluginId, Block *block) {
        qemu_plugin_register_vcpu_tb_exec_inline(block, add, &counted,
                                                 qemu_plugin_tb_n_insns(block));
    });
    qemu_plugin_register_atexit_cb(
        id, [](PluginId, void *) { std::fprintf(stderr, "instructions %" PRIu64 "\n", counted); },
        nullptr);
    return 0;
}
}

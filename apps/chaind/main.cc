// chaind: hosts a ledger. What it is made of is in chaind.cc.
#include "apps/chaind/chaind.h"
#include "apps/common/daemon.h"

int main(int argc, char** argv) { return cairn::app::RunDaemon(argc, argv, cairn::chaind::Spec()); }

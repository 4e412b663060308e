// storaged: keeps parts of objects for others, proves that it has them, repairs what was lost.
#include "apps/common/daemon.h"
#include "apps/storaged/storaged.h"

int main(int argc, char** argv) {
  return cairn::app::RunDaemon(argc, argv, cairn::storaged::Spec());
}

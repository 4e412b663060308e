#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/time/clock.h"
#include "apps/common/daemon.h"
#include "apps/common/metrics.h"
#include "apps/net/http_server.h"

namespace cairn::net {
namespace {

std::string Escape(absl::string_view text) {
  return absl::StrReplaceAll(
      text, {{"&", "&amp;"}, {"<", "&lt;"}, {">", "&gt;"}, {"\"", "&quot;"}, {"'", "&#39;"}});
}

// Numbers without script or outside assets; follows the reader's dark mode.
std::string StatusPage(const AdminPages& pages) {
  std::string rows;
  for (const auto& [name, value] : pages.status()) {
    absl::StrAppend(&rows, "<tr><th scope=\"row\">", Escape(name), "</th><td>", Escape(value),
                    "</td></tr>\n");
  }
  std::string title = Escape(pages.program);
  return absl::StrCat(
      "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>", title,
      "</title>\n<meta name=\"viewport\" content=\"width=device-width\">\n<meta "
      "name=\"color-scheme\" "
      "content=\"light dark\">\n<style>\nbody{font:16px/1.5 "
      "system-ui,sans-serif;max-width:48rem;margin:2rem "
      "auto;padding:0 "
      "1rem}\ntable{border-collapse:collapse;width:100%}\nth,td{text-align:left;padding:.3rem "
      ".6rem;border-bottom:1px solid "
      "#8884}\ntd{font-variant-numeric:tabular-nums;word-break:break-all}\n</style>\n"
      "</head>\n<body>\n<main>\n<h1>",
      title, "</h1>\n<p>", pages.ready() ? "ready" : "starting or stopping", ", version ",
      app::kVersion, ", as of <time>",
      absl::FormatTime("%Y-%m-%d %H:%M:%S UTC", absl::Now(), absl::UTCTimeZone()),
      "</time></p>\n<table>\n", rows,
      "</table>\n<p><a href=\"/metrics\">metrics</a> <a href=\"/healthz\">health</a> "
      "<a href=\"/readyz\">readiness</a></p>\n</main>\n</body>\n</html>\n");
}

}  // namespace

HttpHandler AdminHandler(AdminPages pages) {
  return [pages = std::move(pages)](const HttpRequest& request) {
    HttpResponse response;
    if (request.method != "GET") {
      response.status = 405;
      response.headers["Allow"] = "GET, HEAD";
      response.body = "only GET and HEAD\n";
    } else if (request.path == "/healthz") {
      response.body = "ok\n";
    } else if (request.path == "/readyz") {
      bool ready = pages.ready();
      response.status = ready ? 200 : 503;
      response.body = ready ? "ready\n" : "not ready\n";
    } else if (request.path == "/metrics") {
      response.content_type = "text/plain; version=0.0.4; charset=utf-8";
      response.body = pages.metrics != nullptr ? pages.metrics->Text() : "";
    } else if (request.path == "/") {
      response.content_type = "text/html; charset=utf-8";
      response.headers["Content-Security-Policy"] = "default-src 'none'; style-src 'unsafe-inline'";
      response.headers["Cache-Control"] = "no-store";
      response.body = StatusPage(pages);
    } else {
      response.status = 404;
      response.body = "no such page: try / /healthz /readyz /metrics\n";
    }
    return response;
  };
}

}  // namespace cairn::net

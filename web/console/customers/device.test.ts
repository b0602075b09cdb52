import { expect, test } from "vitest";
import { deviceName } from "./device";

test("a browser is named with its system, anything else as it names itself", () => {
  expect(deviceName("Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36")).toBe("Chrome, Android");
  expect(deviceName("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1")).toBe("Safari, iOS");
  expect(deviceName("python-httpx/0.28.1")).toBe("python-httpx/0.28.1");
});

import { render, screen } from "@testing-library/react";
import { describe, expect, it } from "vitest";
import { PresenceAvatars } from "../../src/realtime/avatars";

const PEOPLE = ["Ana", "Ben", "Cem", "Dee", "Eve", "Fay"].map((name, at) => ({ id: `s${at}`, name }));

describe("PresenceAvatars", () => {
  it("are nothing when nobody is there", () => {
    const { container } = render(<PresenceAvatars people={[]} label="Online" />);
    expect(container).toBeEmptyDOMElement();
  });

  it("are a face for each of up to four people, whose names are said and stand in the tooltip", () => {
    render(<PresenceAvatars people={PEOPLE.slice(0, 4)} label="Online" />);

    const faces = screen.getByRole("img", { name: "Online: Ana, Ben, Cem and Dee" });
    expect(faces.querySelectorAll(".who")).toHaveLength(4);
    expect(faces).not.toHaveTextContent("+");
    expect([...faces.querySelectorAll("li")].map((each) => each.textContent)).toEqual([
      "Ana",
      "Ben",
      "Cem",
      "Dee",
    ]);
  });

  it("are four faces and the number of the others, who are all named", () => {
    render(<PresenceAvatars people={PEOPLE} label="Online" />);

    const faces = screen.getByRole("img", { name: "Online: Ana, Ben, Cem, Dee, Eve and Fay" });
    expect(faces.querySelectorAll(".who")).toHaveLength(4);
    expect(faces).toHaveTextContent("+2");
    expect(faces.querySelectorAll("li")).toHaveLength(6);
  });

  it("can be reached by key, so that the tooltip can be read", async () => {
    render(<PresenceAvatars people={PEOPLE} label="Online" />);
    expect(screen.getByRole("img")).toHaveAttribute("tabindex", "0");
  });

  it("do not fill the screen with the names of a whole department", () => {
    const many = Array.from({ length: 40 }, (_, at) => ({ id: `s${at}`, name: `Colleague ${at}` }));
    render(<PresenceAvatars people={many} label="Online" />);
    expect(screen.getByText("and 28 more")).toBeInTheDocument();
  });
});

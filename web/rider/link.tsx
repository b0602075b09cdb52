import { Button, type ButtonProps } from "@mantine/core";
import { createLink } from "@tanstack/react-router";
import { forwardRef, type AnchorHTMLAttributes } from "react";

const Anchored = forwardRef<HTMLAnchorElement, ButtonProps & Omit<AnchorHTMLAttributes<HTMLAnchorElement>, keyof ButtonProps>>(
  function Anchored(props, ref) {
    return <Button component="a" ref={ref} {...props} />;
  },
);

/** A link of the app that looks like a button. */
export const LinkButton = createLink(Anchored);
